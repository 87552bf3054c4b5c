"""Predicting the requests of one call, as soon as what they are made of is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ayo_bridge.learn.count import (
    AtLeast,
    Length,
    certain,
    count_here,
    least_here,
    results_of_count,
)
from ayo_bridge.learn.known import BEGUN, ENDED, Known, Missing, Waiting
from ayo_bridge.learn.learned_site import LearnedSite
from ayo_bridge.learn.render import render


@dataclass(frozen=True, slots=True)
class Predicted:
    """A request that the original will make, and the results (site, visit) it is made of."""

    site: str
    visit: int
    request: str
    depends_on: frozenset[Waiting]


class Agenda:
    """What is still to be predicted in one call, by what it waits for.

    A task is a visit of a site, or (visit ``ENDED``) the question how many there are. Each is
    tried when something it waits for is fed, and never again once it is done.
    """

    def __init__(self, sites: Mapping[str, LearnedSite]) -> None:
        self.sites = sites
        self._order = {site: at for at, site in enumerate(sites)}
        self._waiting: dict[Waiting, set[Waiting]] = defaultdict(set)
        self._ready: set[Waiting] = {(each.site, ENDED) for each in sites.values() if each.predicts}
        self._followers: dict[str, list[tuple[str, int]]] = defaultdict(list)
        """Sites that are visited once for every visit of another, and how much later."""
        for each in sites.values():
            match each.count:
                case Length(("at", str(other)), offset) if each.predicts:
                    self._followers[other].append((each.site, offset))
                case _:
                    pass

    def due(self, known: Known) -> list[Predicted]:
        """What can be predicted now and was not before, in the order of sites and visits."""
        out: list[Predicted] = []
        while True:
            self._take_fresh(known)
            if not self._ready:
                break
            ready, self._ready = self._ready, set()
            for site, visit in ready:
                if visit == ENDED:
                    self._count(known, self.sites[site])
                elif (site, visit) not in known.taken:
                    out += self._predict(known, site, visit)
        return sorted(out, key=lambda each: (self._order[each.site], each.visit))

    def again(self, known: Known, each: Predicted) -> None:
        """Predict something anew: a value that it was made of has been replaced."""
        known.taken.discard((each.site, each.visit))
        self._ready.add((each.site, each.visit))

    def _take_fresh(self, known: Known) -> None:
        for key in known.fresh:
            self._ready |= self._waiting.pop(key, set())
            site, visit = key
            if visit in (ENDED, BEGUN):
                continue
            for follower, offset in self._followers[site]:
                if visit + offset >= 0:
                    self._ready.add((follower, visit + offset))
        known.fresh.clear()

    def _count(self, known: Known, learned: LearnedSite) -> None:
        site, count = learned.site, learned.count
        if isinstance(count, AtLeast):
            self._ready |= {(site, visit) for visit in range(count.visits)}
            return
        try:
            visits = known.counts.get(site)
            if visits is None:
                visits = count_here(count, known)
        except Missing as missing:
            self._wait((site, ENDED), missing.waits)
            self._ready |= {(site, visit) for visit in range(least_here(count, known))}
            return
        if visits is not None:
            known.ended(site, visits)
            self._ready |= {(site, visit) for visit in range(visits)}

    def _wait(self, task: Waiting, waits: tuple[Waiting, ...]) -> None:
        for key in waits:
            self._waiting[key].add(task)

    def _predict(self, known: Known, site: str, visit: int) -> list[Predicted]:
        used: set[Waiting] = set()
        try:
            found = self.sites[site].program_of(visit, known)
            if found is None or not found[0].predicts:
                return []
            each, where = found
            request = render(each.program, where, known, used)
        except Missing as missing:
            self._wait((site, visit), missing.waits)
            return []
        count = self.sites[site].count
        if visit >= certain(count) or any(each.selector.lists):
            used |= results_of_count(count, known)
        known.taken.add((site, visit))
        return [Predicted(site, visit, request, frozenset(used))]
