"""A template against a trace: what it would have predicted, and what that would have gained."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from ayo_bridge.learn.asked import with_values
from ayo_bridge.learn.count import After
from ayo_bridge.learn.growing import NOTHING_GROWS, Growing, Grows, feeding, steps, vectors_of
from ayo_bridge.learn.known import Known, Waiting
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result, Trace, TracedCall
from ayo_bridge.learn.visits import visits_of

OVERHEAD = 0.001
"""Seconds from the last value of a request until it is on its way."""
LEAST_GAIN = 0.05
LEAST_SECONDS = 0.005
SURE_GAIN = 0.02
SURE_SECONDS = 0.02
"""So many seconds are several times what running ahead costs of the processor: of a long call a
smaller share of it is enough."""


def enough(won: float, of: float) -> bool:
    """Whether enough is won of a call that takes so many seconds."""
    return won >= max(LEAST_SECONDS, min(LEAST_GAIN * of, max(SURE_SECONDS, SURE_GAIN * of)))


class Early(NamedTuple):
    """How much of an answer, a call by its place in the trace, was written at some moment."""

    answer: int
    share: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a template does with one recorded call.

    Attributes:
        exact: calls that were predicted to the byte.
        missed: calls that were not.
        false: (site, visit) predicted with a request that the call never made.
        before, after: seconds of the call, by list scheduling with unlimited engines, as it was
            and with the predicted calls made as soon as their values are known.
    """

    exact: frozenset[Waiting]
    missed: frozenset[Waiting]
    false: tuple[Waiting, ...]
    before: float
    after: float

    @property
    def worthwhile(self) -> bool:
        """Whether enough time is gained."""
        return enough(self.before - self.after, self.before)


def replay(
    template: Template, trace: Trace, overhead: float = OVERHEAD, grows: Grows = NOTHING_GROWS
) -> Replayed:
    """Feed a recorded call to the template and compare what it predicts with what was asked.

    Answers that can be watched while they are written count as coming evenly over their time.
    """
    trace = with_values(trace, template.asked)
    run = _Run(template, trace, grows)
    run.go()
    own = {call: key for key, call in run.own.items()}
    exact = {own[call]: needs for call, needs in run.needs.items()}
    missed = {
        key
        for key, call in run.own.items()
        if call not in run.needs and trace.calls[call].kind is not Kind.HELPER
    }
    before = _seconds(trace, {}, overhead)
    after = _seconds(trace, run.needs, overhead, run.behind, run.early, grows.slots)
    return Replayed(frozenset(exact), frozenset(missed), tuple(run.false), before, after)


class _Run:
    """One replay. Calls are named by their place in the trace."""

    def __init__(self, template: Template, trace: Trace, grows: Grows) -> None:
        self.template, self.trace = template, trace
        self.views = {} if grows.nothing else feeding(template)
        self.grows = grows
        self.early: dict[int, Early] = {}
        """Predicted calls that are made of the beginning of an answer."""
        self.written: Early | None = None
        """The answer that is being written, and how much of it is."""
        self.known = Known()
        numbers = {id(call): at for at, call in enumerate(trace.calls)}
        self.own: dict[Waiting, int] = {
            (site, visit): numbers[id(call)]
            for site, calls in visits_of(trace).items()
            for visit, call in enumerate(calls)
        }
        self.keys = {at: key for key, at in self.own.items()}
        self.pool: dict[tuple[Kind, str], deque[int]] = defaultdict(deque)
        for at, call in enumerate(trace.calls):
            if call.kind is not Kind.HELPER:
                self.pool[call.kind, call.request].append(at)
        self.bound: dict[Waiting, int] = {}
        self.needs: dict[int, frozenset[int]] = {}
        """The predicted calls, and the calls of whose results they are made."""
        self.behind: dict[int, int] = {}
        """Predicted calls that are made once the original has come to another one."""
        self.false: list[Waiting] = []

    def go(self) -> None:
        for name, text in self.trace.inputs.items():
            self.known.input(name, text)
        self._follow()
        done = set(self.needs)
        for at in sorted(range(len(self.trace.calls)), key=lambda at: self.trace.calls[at].began):
            if at in self.needs or at in done:
                continue
            call = self.trace.calls[at]
            if call.kind is not Kind.HELPER:
                self.pool[call.kind, call.request].remove(at)
            key = self.keys[at]
            while key in self.bound:  # an equal request of another visit stands in its place
                key = key[0], key[1] + 1
            self._bind(key, at)
            self._follow()

    def _follow(self) -> None:
        """Take all predictions, and at once the results of those that are right."""
        while due := self.template.predict(self.known):
            for each in due:
                learned = self.template.site(each.site)
                assert learned is not None
                key = each.site, each.visit
                if pool := self.pool.get((learned.kind, each.request)):
                    at = pool.popleft()
                    self.needs[at] = frozenset(
                        self.bound[need] for need in each.depends_on if need in self.bound
                    )
                    if self.written is not None and self.written.answer in self.needs[at]:
                        self.early[at] = self.written
                    if isinstance(count := learned.count, After) and (count.site, 0) in self.bound:
                        self.behind[at] = self.bound[count.site, 0]
                    self._bind(key, at)
                else:
                    self.false.append(key)

    def _bind(self, key: Waiting, at: int) -> None:
        self.bound[key] = at
        result = self.trace.calls[at].result
        watched = self.grows.watched if at not in self.needs else self.grows.of_any
        if key[0] in self.views and result is not None:
            if key[0] in watched and result.text:
                self._written(key, at, result.text)
            elif at in self.needs and (size := self.grows.stages.get(key[0])):
                self._embedded(key, at, result, size)
        self.known.result(*key, result)

    def _embedded(self, key: Waiting, at: int, result: Result, size: int) -> None:
        """Have texts embedded by so many at a time."""
        before, count = self.written, len(result.vectors)
        for end in range(size, count, size):
            self.known.grown(*key, vectors_of(Result(vectors=result.vectors[:end])))
            self.written = Early(at, end / count)
            self._follow()
        self.written = before

    def _written(self, key: Waiting, at: int, text: str) -> None:
        """Have an answer written bit by bit."""
        reader, before = Growing(self.views[key[0]]), self.written
        for end in steps(text):
            if (parts := reader.feed(text[:end])) is not None:
                self.known.grown(*key, parts)
                self.written = Early(at, end / len(text))
                self._follow()
        self.written = before


def _seconds(
    trace: Trace,
    needs: Mapping[int, frozenset[int]],
    overhead: float,
    behind: Mapping[int, int] = MappingProxyType({}),
    early: Mapping[int, Early] = MappingProxyType({}),
    slots: int = 0,
) -> float:
    """How long the call takes with the calls in ``needs`` made ahead.

    The original comes to a call when all calls that had ended before it are done. Its own work
    between calls, the part of the trace's time that no chain of calls fills, is not moved.
    """
    calls = trace.calls
    own, before = [call.seconds for call in calls], [_before(calls, at) for at in range(len(calls))]
    inside = [_inside(calls, at) for at in range(len(calls))]
    # What holds other calls is done after them.
    order = sorted(
        range(len(calls)), key=lambda at: calls[at].ended if inside[at] else calls[at].began
    )
    usual = _done(order, own, [set(each) - inside[at] for at, each in enumerate(before)], {}, 0.0)
    for at, inner in enumerate(inside):
        if inner:
            reached = max((usual[other] for other in before[at]), default=0.0)
            own[at] = max(0.0, own[at] - (max(usual[other] for other in inner) - reached))
            before[at] |= inner
    usual = _done(order, own, before, {}, 0.0)
    ahead = _done(order, own, before, needs, overhead, behind, early, slots)
    work = max(0.0, trace.seconds - max(usual.values(), default=0.0))
    return work + max(ahead.values(), default=0.0)


def _done(
    order: list[int],
    own: list[float],
    before: list[set[int]],
    needs: Mapping[int, frozenset[int]],
    overhead: float,
    behind: Mapping[int, int] = MappingProxyType({}),
    early: Mapping[int, Early] = MappingProxyType({}),
    slots: int = 0,
) -> dict[int, float]:
    """When the original has each call's result, in seconds from its start."""
    done: dict[int, float] = {}
    made: dict[int, float] = {}
    came: dict[int, float] = {}
    free = [0.0] * slots
    for at in order:
        start = reached = came[at] = max((done[other] for other in before[at]), default=0.0)
        if at in needs and all(need in made for need in needs[at]):
            left = {each.answer: 1.0 - each.share} if (each := early.get(at)) else {}
            known = max(
                (made[need] - own[need] * left.get(need, 0.0) for need in needs[at]), default=0.0
            )
            if (other := behind.get(at)) is not None:
                known = max(known, min(made.get(other, 0.0), came.get(other, 0.0)))
            start = min(reached, max(overhead + known, free[0] if slots else 0.0))
            if slots and start < reached:
                heapq.heapreplace(free, start + own[at])
        made[at] = start + own[at]
        done[at] = max(reached, made[at])
    return done


def _before(calls: tuple[TracedCall, ...], at: int) -> set[int]:
    return {other for other, call in enumerate(calls) if call.ended < calls[at].began}


def _inside(calls: tuple[TracedCall, ...], at: int) -> set[int]:
    """The calls that a helper makes itself."""
    if calls[at].kind is not Kind.HELPER:
        return set()
    return {
        other
        for other, call in enumerate(calls)
        if calls[at].began < call.began and call.ended < calls[at].ended
    }
