"""A learned template: the sites of one callable in order, and predictions from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ayo_bridge.learn.asked import asked_of, values
from ayo_bridge.learn.count import Fixed
from ayo_bridge.learn.known import Known, Missing
from ayo_bridge.learn.learned_site import SETTLED, LearnedSite, Status
from ayo_bridge.learn.predict import Agenda, Predicted
from ayo_bridge.learn.render import render, render_prefix
from ayo_bridge.learn.trace import Trace


@dataclass(frozen=True, slots=True)
class Template:
    """What was learned of one callable; ``sites`` are in the order of their first calls."""

    sites: tuple[LearnedSite, ...]
    _by_name: dict[str, LearnedSite] = field(init=False, repr=False, compare=False)
    asked: tuple[LearnedSite, ...] = field(init=False, repr=False, compare=False)
    """The sites of what stands in the holes of others' requests."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.site: each for each in self.sites})
        asked = tuple(each for each in self.sites if asked_of(each) is not None)
        object.__setattr__(self, "asked", asked)

    def site(self, name: str) -> LearnedSite | None:
        """What was learned of a site, if it was seen."""
        return self._by_name.get(name)

    @property
    def edges(self) -> frozenset[tuple[str, str]]:
        """(from, to): requests of the second site are made of results of the first."""
        return frozenset((other, each.site) for each in self.sites for other in each.depends_on)

    def predict(self, known: Known) -> list[Predicted]:
        """The requests that are determined now and were not given out for this call before."""
        if not isinstance(agenda := known.agenda, Agenda):
            agenda = known.agenda = Agenda(self._by_name)
        return agenda.due(known)

    def was_asked(self, known: Known, site: str, visit: int, request: str) -> None:
        """The original has asked this request: what stands in its holes is known from now on."""
        for each in self.asked:
            if asked_of(each) == site and (result := values(each, known, visit, request)):
                known.result(each.site, visit, result)

    def knows(self, site: str, visit: int) -> bool:
        """Whether enough was seen of a visit to say how its request is made, or that it is not.

        Where all calls so far have made fewer visits, nothing is known of one more.
        """
        learned = self.site(site)
        if learned is None or (isinstance(count := learned.count, Fixed) and visit >= count.visits):
            return False
        each = learned.class_of(visit)
        return each is not None and each.inputs >= SETTLED

    def expected(self, known: Known, site: str, visit: int) -> str | None:
        """The request of a visit, if all that it is made of is known."""
        learned = self.site(site)
        if learned is None or not learned.predicts:
            return None
        try:
            found = learned.program_of(visit, known)
            if found is None or not found[0].predicts:
                return None
            return render(found[0].program, found[1], known, set())
        except Missing:
            return None

    def again(self, known: Known, each: Predicted) -> None:
        """Give a request out anew: a value that it was made of has been replaced."""
        if isinstance(agenda := known.agenda, Agenda):
            agenda.again(known, each)

    def prefix(self, known: Known, site: str, visit: int) -> str:
        """What is known now of a request from its beginning, though not yet all of it.

        Empty where nothing like this visit was seen, or the site is not to be trusted.
        """
        learned = self.site(site)
        if learned is None or learned.status is Status.CONTRADICTED:
            return ""
        try:
            found = learned.program_of(visit, known)
        except Missing:
            return ""
        if found is None or found[0].inputs < SETTLED:
            return ""
        return render_prefix(found[0].program, found[1], known)

    def moved(self, trace: Trace) -> bool:
        """Whether calls come from places unknown, instead of places where all calls have been."""
        there = {call.site for call in trace.calls}
        always = {each.site for each in self.sites if isinstance(each.count, Fixed)}
        return bool(there - self._by_name.keys()) and bool(always - there)

    def without(
        self, sites: Collection[str], reason: str, status: Status = Status.CONTRADICTED
    ) -> Template:
        """The template with these sites no longer predicted."""
        return Template(
            tuple(
                replace(each, status=status, reason=reason) if each.site in sites else each
                for each in self.sites
            )
        )
