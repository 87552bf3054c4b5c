"""Which visit of its site a call is: by the order in which tasks and jobs were made.

In a trace all calls are there to be ordered. While a call runs, the first of two branches may ask
last: there the number of a branch is the visit where that was so in all traces, and else visits are
counted as the original comes to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from ayo_bridge.learn.trace import Trace, TracedCall

Branch = tuple[int, ...]


def visits_of(trace: Trace) -> dict[str, list[TracedCall]]:
    """The calls of each site in the order in which their tasks and jobs were made."""
    visits: dict[str, list[TracedCall]] = {}
    for call in sorted(trace.calls, key=lambda call: (call.branch, call.began)):
        visits.setdefault(call.site, []).append(call)
    return visits


def by_branch(traces: Iterable[Trace]) -> frozenset[str]:
    """Sites that each task or job visits once: its number was that of the visit in all traces."""
    found: dict[str, bool] = {}
    for trace in traces:
        for site, calls in visits_of(trace).items():
            alike = all(
                bool(call.branch) and call.branch[-1] == visit for visit, call in enumerate(calls)
            )
            found[site] = found.get(site, True) and alike
    return frozenset(site for site, alike in found.items() if alike)


def spread(traces: Iterable[Trace]) -> frozenset[str]:
    """Sites to which several tasks or jobs of one call have come."""
    return frozenset(
        site
        for trace in traces
        for site, calls in visits_of(trace).items()
        if len({call.branch for call in calls}) > 1
    )


class Visits:
    """The visits of one call so far, while it runs. ``alike``: its sites :func:`by_branch`."""

    def __init__(self, alike: Collection[str] = ()) -> None:
        self._alike = alike
        self._taken: defaultdict[str, set[int]] = defaultdict(set)

    def seen(self, site: str, visit: int) -> bool:
        """Whether the original has made this visit."""
        return visit in self._taken[site]

    def next(self, site: str, branch: Branch) -> int:
        """Which visit of a site a call in this branch makes, so far as that can be known."""
        if branch and site in self._alike and not self.seen(site, branch[-1]):
            return branch[-1]
        taken = self._taken[site]
        return next(visit for visit in range(len(taken) + 1) if visit not in taken)

    def add(self, site: str, visit: int) -> None:
        """The original makes a visit."""
        self._taken[site].add(visit)
