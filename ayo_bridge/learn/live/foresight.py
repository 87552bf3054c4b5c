"""What of one call is predicted, what may be sent of that, and what the original confirms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping

from ayo_bridge.learn.known import Known, Waiting
from ayo_bridge.learn.live.prefixes import Prefix, Prefixes
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Result
from ayo_bridge.learn.values import Part
from ayo_bridge.learn.visits import Branch, Visits


class Foresight:
    """The predictions of one call. Not thread-safe.

    A site is confirmed once the original has asked for something that was predicted of it. Until
    then one prediction of it is outstanding, and nothing is built on its result.

    Args:
        inputs: the texts among the call's arguments.
        doubtful: sites that are only watched until they are confirmed.
        by_branch: sites that each task or job visits once: its number is that of the visit.
        cold: sites of which no prefix is warmed, nor is it of a doubtful one.
        free: sites of which several predictions may be outstanding from the beginning.
        vain: sites that may be asked in vain. Where they are free, too, what follows from their
            results is built on them from the beginning.
    """

    def __init__(
        self,
        template: Template,
        inputs: Mapping[str, str],
        doubtful: Collection[str] = (),
        by_branch: Collection[str] = (),
        cold: Collection[str] = (),
        free: Collection[str] = (),
        vain: Collection[str] = (),
    ) -> None:
        self._template = template
        self._doubtful = frozenset(doubtful)
        self._free = frozenset(free) - self._doubtful
        self._vain = frozenset(vain)
        self._visits = Visits(by_branch)
        self._known = Known()
        for name, text in inputs.items():
            self._known.input(name, text)
        self.beginnings = Prefixes(template, self._known, {*cold, *doubtful})
        self._held: list[Predicted] = []
        self._sent: dict[Waiting, Predicted] = {}
        """What was given out and the original has not asked for yet."""
        self._outstanding: Counter[str] = Counter()
        """How many of these there are of each site."""
        self._own: set[Waiting] = set()
        """What the original has an answer to by itself."""
        self._disordered: set[str] = set()
        """Sites of which the original, in its own thread, has asked for a later visit first."""
        self.confirmed: set[str] = set()
        self.met_unknown = False
        """Whether the original has come to a site of which too little was seen."""

    @property
    def refuted(self) -> set[str]:
        """Once the call has ended well: sites of which the original asked something else."""
        watched = {each.site for each in self._held} & self._doubtful - self.confirmed
        unsure = {each.site for each in self._held if self._is_unsure(each)}
        unasked = {site for site, visit in self._sent if not self._is_vain(site, visit)}
        return watched | unsure | unasked

    def _is_vain(self, site: str, visit: int) -> bool:
        """Whether the original has left out what it may leave out."""
        return site in self._vain and not self._visits.seen(site, visit)

    def ready(self, can_be_made: Callable[[Predicted], bool]) -> list[Predicted]:
        """What is to be sent now; ``can_be_made`` says of a request whether it can."""
        self._held += self._template.predict(self._known)
        out: list[Predicted] = []
        held: list[Predicted] = []
        for each in self._held:
            watched = each.site in self._doubtful or self._is_unsure(each)
            if self._visits.seen(each.site, each.visit) and not watched:
                continue
            if self._may_go(each) and can_be_made(each):
                self._sent[each.site, each.visit] = each
                self._outstanding[each.site] += 1
                out.append(each)
            else:
                held.append(each)
        self._held = held
        return out

    def _may_go(self, each: Predicted) -> bool:
        if self._visits.seen(each.site, each.visit):
            return False
        if each.site not in self.confirmed and (
            each.site in self._doubtful
            or self._is_unsure(each)
            or (self._outstanding[each.site] and each.site not in self._free)
        ):
            return False
        return all(
            need not in self._sent
            or need in self._own
            or need[0] in self.confirmed
            or need[0] in self._free & self._vain
            for need in each.depends_on
        )

    def _is_unsure(self, each: Predicted) -> bool:
        """Whether it is made of results that may stand in each other's place: then it waits."""
        return each.site not in self.confirmed and any(
            site in self._disordered for site, _ in each.depends_on
        )

    def prefixes(self) -> list[Prefix]:
        """Beginnings of requests that have grown so far that they may be prefilled now."""
        return self.beginnings.due()

    def waits(self, site: str, request: str) -> bool:
        """Whether such a request was given out and nobody has asked for it yet."""
        return any(each.site == site and each.request == request for each in self._sent.values())

    def given_up(self, each: Predicted) -> None:
        """It could not be sent after all."""
        if self._sent.pop((each.site, each.visit), None) is not None:
            self._outstanding[each.site] -= 1

    def asked(self, site: str, branch: Branch, request: str) -> Waiting:
        """The original makes a call; returns which visit of the site that is."""
        found = self._matching(site, request)
        if found is not None:
            self.confirmed.add(site)
            self.given_up(found)
            if not branch and any(
                each.site == site and each.visit < found.visit
                for each in (*self._sent.values(), *self._held)
            ):
                self._disordered.add(site)
            self._held = [each for each in self._held if each is not found]
        if found is not None and not self._visits.seen(site, found.visit):
            visit = found.visit
            self._known.asked(site, visit)
        else:
            visit = self._visits.next(site, branch)
            # It was not predicted in time, but rightly: so will the next ones be.
            if self._template.expected(self._known, site, visit) == request:
                self.confirmed.add(site)
            self._known.asked(site, visit)
            self.met_unknown = self.met_unknown or not self._template.knows(site, visit)
        self._visits.add(site, visit)
        self._template.was_asked(self._known, site, visit, request)
        self.beginnings.asked((site, visit), request)
        return site, visit

    def answered(self, key: Waiting, result: Result | None, *, own: bool) -> None:
        """What a call has returned, made ahead or the original's ``own``, which replaces that."""
        known = self._known.results
        if own:
            self._own.add(key)
        elif key in self._own:
            return
        if key in known and known[key] == result:
            return
        if key in known or not self._known.holds_grown(*key, result):
            stale = [each for each in self._held if key in each.depends_on]
            self._held = [each for each in self._held if key not in each.depends_on]
            for each in stale:
                self._template.again(self._known, each)
        self._known.result(*key, result)

    def grown(self, key: Waiting, parts: Mapping[str, Part], *, own: bool) -> None:
        """An answer is being written: so much of it no rest can change."""
        if own:
            self._own.add(key)
        if key not in self._known.results and (own or key not in self._own):
            self._known.grown(*key, parts)

    def told(self, site: str, branch: Branch, result: Result) -> None:
        """A helper of the original's has returned a value."""
        visit = self._visits.next(site, branch)
        self._visits.add(site, visit)
        self._own.add((site, visit))
        self._known.result(site, visit, result)

    def _matching(self, site: str, request: str) -> Predicted | None:
        predicted = (*self._sent.values(), *self._held)
        alike = (each for each in predicted if each.site == site and each.request == request)
        return next(alike, None)
