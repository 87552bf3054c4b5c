"""What a few traces teach: a template, checked against a call it was not made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean, median
from typing import Final

from ayo_bridge.learn.growing import NOTHING_GROWS, Grows, feeding
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.learned_site import SETTLED, Status
from ayo_bridge.learn.replay import LEAST_SECONDS, Replayed, enough, replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace
from ayo_bridge.learn.visits import by_branch, spread
from ayo_bridge.runahead.planner import OWN_CALLS

DEADLINE: Final = 1.0
"""Seconds that an induction may take."""
ENOUGH: Final = SETTLED + 1
"""Calls with distinct inputs: those a site is learned from, and one in shadow."""
_EARLIER: Final = 0.0005
"""Seconds that a site has to win by itself."""
_LATE: Final = "made ahead it would not come earlier"
_FALSE: Final = "in shadow it predicted a call that was not made"


@dataclass(slots=True, eq=False)
class Lesson:
    """A template in use.

    Args:
        calls: how many were learned from.
        before, after: seconds of a call, as it was and as it is expected to be.
        by_branch: sites that each task or job visits once.
        spread: sites to which several tasks or jobs of one call come.
        shaky: sites that predicted falsely in shadow.
    """

    template: Template
    calls: int
    before: float
    after: float
    by_branch: frozenset[str]
    shaky: frozenset[str] = frozenset()
    own: float = 0.0
    """Seconds of its own that this process spends on running a call ahead: they overlap nothing."""
    numbers: dict[str, int] = field(init=False)
    feeding: Mapping[str, frozenset[str]] = field(init=False)
    """The sites the items of whose answers predicted requests are made of, by which views."""
    helpers: frozenset[str] = field(init=False)
    """The sites of helpers of whose values predicted requests are made."""
    in_doubt: frozenset[str] = frozenset()
    """Sites that are watched only: their last prediction was refuted, or there was none so far."""
    earlier: bool = False
    """Whether an earlier process has learned it."""
    cold: frozenset[str] = frozenset()
    """Sites whose prefixes were warmed in vain, or could not be: nothing more is warmed there."""
    spread: frozenset[str] = frozenset()
    only_grown: frozenset[str] = frozenset()
    """Sites that win something only while an answer can be seen as it is written."""
    warmed: float = 0.0
    """Seconds expected to be won by prefilling alone, where nothing else wins anything."""
    clean: dict[str, int] = field(init=False)
    """In how many calls of this process in a row a site that items feed, or one that asks a search
    API, was predicted rightly."""

    def __post_init__(self) -> None:
        sites = self.template.sites
        self.numbers = {each.site: at for at, each in enumerate(sites, 1)}
        needed = frozenset[str]().union(*(each.depends_on for each in sites if each.predicts))
        self.helpers = needed & {each.site for each in sites if each.kind is Kind.HELPER}
        # Which answers can be watched is not kept on disk.
        self.feeding = {} if self.earlier else feeding(self.template)
        fed = (each.site for each in sites if each.depends_on & self.feeding.keys())
        self.clean = dict.fromkeys([*fed, *self.searches], 0)

    @property
    def searches(self) -> frozenset[str]:
        """The sites that ask a search API."""
        return frozenset(each.site for each in self.template.sites if each.kind is Kind.API)

    @property
    def unwatched(self) -> Template:
        """The template less the sites that win something only while an answer can be watched."""
        return self.template.without(self.only_grown, _LATE, Status.LATE)

    @property
    def gain(self) -> float:
        """Seconds expected to be won in a call."""
        return self.before - self.after - self.own

    @property
    def worthwhile(self) -> bool:
        """Whether enough is won."""
        return enough(self.gain + self.warmed, self.before)

    def doubtful(self) -> frozenset[str]:
        """The sites that a call which begins now only watches."""
        return self.in_doubt


def learn(
    traces: Sequence[Trace],
    call_seconds: float = 0.0,
    clock: Callable[[], float] = time.thread_time,
    grows: Grows = NOTHING_GROWS,
    warms: Callable[[Template], float] = lambda template: 0.0,
) -> Lesson:
    """Learn from traces with distinct inputs, at least :data:`ENOUGH`.

    The last one is predicted in shadow by what the others show. ``call_seconds`` is the processor
    time that a call ahead takes; ``grows`` are the answers that may be watched. ``warms`` says what
    a call wins by prefilling what is known of prompts: where it wins by nothing else, nothing else
    is made ahead.
    """
    shadow = induce(traces[:-1], _deadline(clock))
    shaky = {site for site, _ in replay(shadow, traces[-1]).false}
    whole = induce(traces, _deadline(clock)).without(shaky, _FALSE)
    plain = _in_time(whole, traces, NOTHING_GROWS, _deadline(clock))
    template, replays = plain or whole, _replays(plain or whole, traces, NOTHING_GROWS)
    before, after = _usual(replays)
    pipelined = False
    if not grows.nothing and feeding(whole):
        grown = _in_time(whole, traces, grows, _deadline(clock)) or whole
        seen, alike = _replays(grown, traces, grows), Grows(slots=grows.slots)
        # Reading a stream costs some milliseconds: it is to win what is asked of anything.
        pipelined = enough(_usual(_replays(template, traces, alike))[1] - _usual(seen)[1], before)
        if pipelined:
            template, replays = grown, seen
            before, after = _usual(seen)
    own = call_seconds * median(map(partial(_calls, template), replays))
    if not enough(before - after - own, before):
        only = whole.without(_predicted(whole), _LATE, Status.LATE)
        if enough(warmed := warms(only), before):
            lesson = Lesson(only, len(traces), before, before, by_branch(traces), frozenset(shaky))
            lesson.spread, lesson.warmed = spread(traces), warmed
            return lesson
    lesson = Lesson(template, len(traces), before, after, by_branch(traces), frozenset(shaky), own)
    lesson.spread = spread(traces)
    if pipelined:
        lesson.only_grown = _predicted(template) - _predicted(plain)
    else:
        lesson.feeding, lesson.clean = {}, dict.fromkeys(lesson.searches, 0)
    return lesson


def _replays(template: Template, traces: Sequence[Trace], grows: Grows) -> list[Replayed]:
    return [replay(template, trace, grows=grows) for trace in traces]


def _predicted(template: Template | None) -> frozenset[str]:
    sites = () if template is None else template.sites
    return frozenset(each.site for each in sites if each.predicts)


def _in_time(
    template: Template, traces: Sequence[Trace], grows: Grows, deadline: Callable[[], bool]
) -> Template | None:
    """The template without what wins nothing; ``None``: all of it wins nothing."""
    before, after = _usual(_replays(template, traces, grows))
    if before - after < LEAST_SECONDS:
        return None
    return _without_late(template, traces, after, grows, deadline)


def _calls(template: Template, replayed: Replayed) -> float:
    """How many calls' worth of processor time is spent on running a call ahead, as plans count."""
    kinds = [learned.kind for site, _ in replayed.exact if (learned := template.site(site))]
    return len(kinds) + OWN_CALLS * max(0, kinds.count(Kind.LLM) - 1)


def _deadline(clock: Callable[[], float]) -> Callable[[], bool]:
    until = clock() + DEADLINE
    return lambda: clock() > until


def _usual(replays: Sequence[Replayed]) -> tuple[float, float]:
    """Seconds of a usual call, and less what is won on average: not all calls win the same."""
    before = median(r.before for r in replays)
    return before, before - fmean(r.before - r.after for r in replays)


def _without_late(
    template: Template,
    traces: Sequence[Trace],
    after: float,
    grows: Grows,
    deadline: Callable[[], bool],
) -> Template:
    """The template without sites whose calls are known no earlier than the original makes them.

    The last ones first: what only they needed is then found to win nothing either.
    """
    for each in reversed(template.sites):
        if not each.predicts or deadline():
            continue
        less = template.without([each.site], _LATE, Status.LATE)
        _, without = _usual(_replays(less, traces, grows))
        if without <= after + _EARLIER:
            template = less
    return template
