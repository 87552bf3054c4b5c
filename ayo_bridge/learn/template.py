"""A learned template: the sites of one callable in order, and predictions from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ayo_bridge.learn.known import Known
from ayo_bridge.learn.learned_site import SETTLED, Fixed, LearnedSite, Status
from ayo_bridge.learn.predict import Agenda, Predicted
from ayo_bridge.learn.render import Where, render_prefix
from ayo_bridge.learn.trace import Trace


@dataclass(frozen=True, slots=True)
class Template:
    """What was learned of one callable; ``sites`` are in the order of their first calls."""

    sites: tuple[LearnedSite, ...]
    _by_name: dict[str, LearnedSite] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.site: each for each in self.sites})

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
            agenda = known.agenda = Agenda(self._by_name, known)
        return agenda.due()

    def again(self, known: Known, each: Predicted) -> None:
        """Give a request out anew: a value that it was made of has been replaced."""
        if isinstance(agenda := known.agenda, Agenda):
            agenda.again(each)

    def prefix(self, known: Known, site: str, visit: int) -> str:
        """What is known now of a request from its beginning, though not yet all of it.

        Empty where nothing like this visit was seen, or the site is not to be trusted.
        """
        learned = self.site(site)
        each = learned.class_of(visit) if learned is not None else None
        if learned is None or each is None or learned.status is Status.CONTRADICTED:
            return ""
        if each.inputs < SETTLED:
            return ""
        where = Where(visit if each.selector.relative else None)
        return render_prefix(each.program, where, known)

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
