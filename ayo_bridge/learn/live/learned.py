"""What has been learned of one function so far, and what its next call is for."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final

from ayo_bridge.events import Event, Facts
from ayo_bridge.graph import Graph
from ayo_bridge.graph import Template as ModuleTemplate
from ayo_bridge.learn.live.busy import Busy
from ayo_bridge.learn.live.call import Ended, LiveCall
from ayo_bridge.learn.live.drawn import module_template
from ayo_bridge.learn.live.judging import Judging
from ayo_bridge.learn.live.kept import Earlier, Kept, fitting, warn_of
from ayo_bridge.learn.live.later import MOST_SIZE, Again, Later, learn_again
from ayo_bridge.learn.live.lesson import ENOUGH, Lesson
from ayo_bridge.learn.live.lessons import lesson_of
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.live.reach import reach
from ayo_bridge.learn.live.worker import Job, worker
from ayo_bridge.learn.trace import Trace, trace_size
from ayo_bridge.learn.tracing.branches import follow
from ayo_bridge.learn.tracing.tracer import Tracer, inputs_of
from ayo_bridge.lift.entry import Kind as EntryKind
from ayo_bridge.runahead import AcceleratedState, Plan, current_scope, open_scope
from ayo_bridge.seam import new_lock

_logger: Final = logging.getLogger(__name__)
MOST_TRACES: Final = 6
FIRST_REST: Final = 16
LONGEST_REST: Final = 4096
"""Calls that are not traced after tracing has taught nothing: the first time, doubled, the most."""


class Learned:
    """One function as it is learned. Thread-safe.

    Args:
        state: of the accelerated function.
        entry: its name.
        signature: ``None``: it has none, so there are no inputs to learn from.
        kept: where it is kept on disk, if it is.
    """

    def __init__(
        self,
        state: AcceleratedState,
        entry: str,
        signature: inspect.Signature | None,
        kept: Kept | None = None,
    ) -> None:
        self._state = state
        self._entry = entry
        self._signature = signature
        self._kept = kept
        self._loaded = kept is None
        """Whether an earlier process's lesson was asked for."""
        template = ModuleTemplate((), inputs=(), name=entry)
        self._plan = self._unknown = Plan(template, Graph(()), Graph(()))
        self._lock = new_lock()
        self.owners = Owners()
        self.traces: list[Trace] = []
        self.lesson: Lesson | None = None
        self.reason = ""
        """Why nothing is learned at present, or was discarded; empty if there is nothing to say."""
        self.rest = 0
        """So many calls are let through before the next is traced."""
        self._asks_nothing = False
        self._next_rest = FIRST_REST
        self._learning = 0
        """The process in which something is being learned; a child has no such thread."""
        self._judging = Judging()
        self._later = Later()
        self._earlier: list[Earlier] = []
        """What earlier processes have learned, until something is in use."""
        self._epoch = 0
        """Changes with all that was learned before being forgotten."""
        self._raises = False
        """Whether a lesson was discarded since calls have raised: that some do is learned then."""
        self._raised = False
        """Whether the last call has raised: many in a row are one, of something that is down."""
        self._wrong = False
        """Whether a call was found to differ from the original: nothing is learned again."""
        state.when_condemned.append(self._condemned)

    @property
    def used(self) -> bool:
        """Whether it was called so that there is something to say of it."""
        return bool(self.traces or self.reason or self.lesson)

    # One call.

    def open(
        self, frame: FrameType, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> LiveCall | None:
        """The scope of a call that begins in ``frame``, and who follows it.

        ``None``: the original goes alone. So it does inside of a call that is followed: that one
        learns of its calls.
        """
        outer = current_scope()
        if outer is not None and outer.followed:
            return None
        if self.rest and self._is_of_no_use:
            self.rest -= 1  # Several threads may lose one of each other: that is no harm.
            self._state.rest.unseen += 1
            return None
        try:
            inputs = self._inputs(args, kwargs)
            lesson, traced = self._what_for(inputs)
            if outer is not None and lesson is None and not traced:
                return None
            scope = open_scope(self._state, self._entry, self._plan, outer=outer)
        except Exception as error:
            self._state.switch_off(f"a call could not be followed: {error!r}")
            return None
        if lesson is None and not traced:
            return LiveCall(scope, None, self.owners, inputs)
        place = follow(frame)
        tracer = Tracer(place, inputs) if traced else None
        given = reach((*args, *kwargs.values()))
        call = LiveCall(scope, place, self.owners, inputs, tracer, lesson, given)
        if traced:
            call.busy = Busy(self._state.runtime.client)
        scope.followed_by(call)
        return call

    def compares(
        self,
        call: LiveCall,
        original: Callable[..., Any],
        kind: EntryKind,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Have a call that was drawn be compared with the original."""
        from ayo_bridge.learn.live.twice import compared

        compared(call.scope, self._state.shows, self._entry, original, kind, args, kwargs)

    @property
    def _is_of_no_use(self) -> bool:
        """Whether a call that teaches nothing need not be seen either.

        It has to be where glue is remembered, models of this process serve several calls, or
        somebody wants spans of all calls.
        """
        state = self._state
        return not state.rest.watched and (
            self._asks_nothing or not (state.remembers or state.rest.may_share)
        )

    def _inputs(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str]:
        if self._signature is None or (self.rest and self.lesson is None):
            return {}
        return inputs_of(args, kwargs, self._signature)

    def _what_for(self, inputs: Mapping[str, str]) -> tuple[Lesson | None, bool]:
        """What a call goes by, and whether it is traced."""
        if self._wrong or not self._state.runtime.run_ahead:
            return None, False
        with self._lock:
            if not self._loaded:
                self._loaded = True
                worker.submit(self._load)
            if self.lesson is not None:
                if not self._state.runs_ahead:
                    return None, False
                return self.lesson, self._later.wanted(inputs)
            if self.rest:
                self.rest -= 1
                return None, False
            full = self._is_full
            known = any(trace.inputs == inputs for trace in self.traces)
            if not inputs:
                self._teaches_nothing("its calls differ in no text among their arguments")
            return None, bool(inputs) and not (full or known)

    def ended(self, call: LiveCall, ended: Ended | None) -> None:
        """Take in a call that has ended; ``None`` if it did not end well."""
        if ended is None:
            return
        with self._lock:
            if call.owners is not self.owners:  # All has been forgotten since it began.
                return
            again, self._raised = ended.raised and self._raised, ended.raised
            if call.lesson is not None and call.lesson is self.lesson:
                first = self._later.first(ended.trace) if ended.trace and ended.refuted else None
                self._judge(call.lesson, ended, counts=not again)
                self._learn_more(call.lesson, ended)
                if first is not None and call.lesson is not self.lesson:
                    self._take(first)
            elif ended.trace is not None and (not ended.raised or (self._raises and not again)):
                trace = ended.trace
                self._take(trace if call.busy is None else call.busy.less_waiting(trace))

    # Learning. The lock is held.

    def _take(self, trace: Trace) -> None:
        known = any(trace.inputs == each.inputs for each in self.traces)
        if self.lesson is None and self._earlier:
            worker.submit(partial(self._choose, trace))
        if self.lesson is not None or known or self._is_full:
            return
        if not trace.asks:
            self._teaches_nothing("it makes no engine calls that can be followed")
            self._asks_nothing = True
            return
        self.reason, self._asks_nothing = "", False
        self.traces.append(trace)
        if len(self.traces) >= ENOUGH:
            self._submit(self._learn)

    @property
    def _most(self) -> int:
        """How many calls are learned from: of large ones only as many as are needed."""
        large = sum(map(trace_size, self.traces)) > MOST_SIZE
        return ENOUGH if large else MOST_TRACES

    @property
    def _is_full(self) -> bool:
        return len(self.traces) >= self._most

    @property
    def needed(self) -> int:
        """How many calls it takes: more than those few, where they were not enough."""
        return ENOUGH if len(self.traces) < ENOUGH else self._most

    def _submit(self, job: Job) -> None:
        if self._learning != os.getpid():
            self._learning = os.getpid()
            worker.submit(job)

    def _learn_more(self, lesson: Lesson, ended: Ended) -> None:
        """A call in use has come to a site that few come to, or was traced for such a one."""
        if self.lesson is not lesson or self._learning == os.getpid():
            return
        if ended.met_unknown:
            self._later.met_unknown()
        again = self._later.take(ended.trace, lesson.template) if ended.trace else None
        if again is not None:
            self._submit(partial(self._learn_again, again, lesson))

    # Without the lock.

    def _learn_again(self, again: Again, before: Lesson) -> None:
        """In the background: learn anew beside what is in use, and use it if it is worth it."""
        try:
            learns = partial(lesson_of, runtime=self._state.runtime, owners=self.owners)
            lesson, traces = learn_again(again, before.template, learns)
            with self._lock:
                if self.lesson is not before:
                    return
                self._later.begin(traces)
                if lesson is None:
                    return
                # What an earlier process has learned was in doubt for that alone.
                lesson.in_doubt = frozenset() if before.earlier else before.in_doubt
                self._show(lesson)
            if self._kept is not None:
                self._kept.save(lesson, traces, self.owners.frames)
        finally:
            self._learning = 0

    def _learn(self) -> None:
        """In the background: learn from the traces so far, and again if there are more by then."""
        while True:
            with self._lock:
                traces, epoch = list(self.traces), self._epoch
                if not traces:  # An earlier lesson was loaded by now.
                    self._learning = 0
                    return
            lesson: Lesson | None = None
            why = "nothing could be learned"
            try:
                lesson = lesson_of(traces, self._state.runtime, self.owners)
            except Exception as error:
                why = f"nothing could be learned: {error!r}"
            with self._lock:
                if epoch != self._epoch or not self._again(traces, lesson, why):
                    self._learning = 0
                    break
        if self._kept is not None and lesson is not None and lesson is self.lesson:
            self._kept.save(lesson, traces, self.owners.frames)

    def _again(self, traces: Sequence[Trace], lesson: Lesson | None, why: str) -> bool:
        """Take in what was learned; whether to learn once more."""
        last = self._is_full and len(traces) >= len(self.traces)
        if lesson is not None and lesson.worthwhile and (last or not lesson.shaky):
            self._use(lesson, traces)
            return False
        if len(self.traces) > len(traces):
            return True
        if last:
            if lesson is not None:
                won = f"{lesson.gain * 1000:.0f} of {lesson.before * 1000:.0f} ms"
                why = f"learned from {lesson.calls} calls; running ahead would win {won}"
            self._forget()
            self._teaches_nothing(why)
        return False

    def _use(self, lesson: Lesson, traces: Sequence[Trace] = ()) -> None:
        self._show(lesson)
        self._later.begin(traces)
        self.traces, self._earlier = [], []
        self._judging, self._raises = Judging(), False
        self._next_rest = FIRST_REST
        before, after = lesson.before * 1000, lesson.after * 1000
        won = f"{after:.0f} ms are expected instead of {before:.0f} ms"
        self._tell(Event.LEARNED, f"learned from {lesson.calls} calls: {won}", Facts(reason=won))

    def _show(self, lesson: Lesson | None) -> None:
        """Go by a lesson from now on; calls are recorded with what it says of them."""
        self.lesson, self._plan = lesson, self._unknown
        if lesson is not None:
            template = module_template(lesson, self._entry, self.owners.engine)
            self._plan = replace(self._unknown, template=template)

    def _load(self) -> None:
        """In the background: see what earlier processes have learned."""
        assert self._kept is not None, "else nothing is to be loaded"
        earlier, problems = self._kept.load()
        with self._lock:
            if self.lesson is None and not self._epoch and earlier:
                self._earlier = earlier
                self.reason, self.rest, self._asks_nothing = "", 0, False
            traces = list(self.traces)
        for trace in traces:
            self._choose(trace)
        warn_of(problems)

    def _choose(self, trace: Trace) -> None:
        """In the background: use what an earlier process has learned, if it fits this call.

        Objects of one class may have been learned, and the program may have changed since.
        """
        epoch, found = self._epoch, fitting(self._earlier, trace)
        if found is None or self._kept is None:
            return
        earlier, sites = found
        with self._lock:
            if self.lesson is not None or epoch != self._epoch:
                return
            self._use(earlier.lesson)
            self._judge(earlier.lesson, Ended(None, frozenset(), sites))
        self._kept.chosen(earlier)

    def _judge(self, lesson: Lesson, ended: Ended, *, counts: bool = True) -> None:
        lesson.in_doubt = (lesson.in_doubt - ended.confirmed) | ended.refuted
        self._later.doubted(bool(ended.refuted))
        why = self._judging.heard(ended) if counts else ""
        if not why and ended.refuted and not self._state.runs_ahead:
            why = "too much of what it predicted was made in vain"
        if why:
            self._raises = self._judging.raised
            self._discard(why)

    def _condemned(self, why: str) -> None:
        """A call was wrong: no later process is to go by what was learned either."""
        with self._lock:
            self._wrong = True
            if self.lesson is not None:
                self._discard(why)

    def _discard(self, why: str) -> None:
        self._forget()
        if self._kept is not None:
            worker.submit(self._kept.forget)
        self.reason = f"what was learned was discarded: {why}"
        self._tell(Event.DISCARDED, self.reason, Facts(reason=why))

    def _tell(self, event: Event, sentence: str, facts: Facts) -> None:
        """Log it where no lock is held."""
        facts = replace(facts, entry=self._entry)
        said = f"{self._entry}: {sentence}"
        worker.submit(partial(self._state.tell, _logger, event, said, facts))

    def _teaches_nothing(self, reason: str) -> None:
        if self._next_rest == FIRST_REST:
            self._tell(Event.LEFT_ALONE, f"nothing runs ahead: {reason}", Facts(reason=reason))
        self.reason = reason
        self.rest = self._next_rest
        self._next_rest = min(LONGEST_REST, 2 * self._next_rest)

    def _forget(self) -> None:
        self._show(None)
        self.traces = []
        self._later = Later()
        self.owners = Owners(self.owners.otherwise)
        self._earlier = []
        self._judging = Judging()
        self._epoch += 1
