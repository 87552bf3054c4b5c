"""What happened in one accelerated call: the raw material of explain, stats and timelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ayo_bridge.record.account import Account, Event, Growth, settle
from ayo_bridge.seam import EngineCall, Outcome, new_rlock

if TYPE_CHECKING:
    from ayo_bridge.graph import Graph, Template
    from ayo_bridge.passes import Decision

_settling = new_rlock()  # A call may end, and be looked at, wherever Python collects.


class Planned(Protocol):
    """What a plan says of the graphs."""

    @property
    def p_graph(self) -> Graph:
        """The graph before the passes."""

    @property
    def e_graph(self) -> Graph:
        """The graph after them."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was done or refused."""

    @property
    def predicted_gain(self) -> float | None:
        """Seconds."""


class CallRecord:
    """One call of an accelerated object, from entry to the end of its scope.

    While the call runs, events are only noted, in order. Which primitive each belongs to and how
    the graphs have grown is worked out when it is asked for, most often never.

    Args:
        entry: name of the method, e.g. ``query``.
        started: seconds of the runtime's clock.
        template, p_graph, e_graph, decisions, predicted_gain: what it begins with. The gain is the
            seconds the e-graph is expected to save.
        calls: engine calls whose primitives are known.
        ended: when its scope has closed.
        error: what it has raised.
    """

    __slots__ = (
        "__weakref__",
        "_account",
        "_events",
        "_known",
        "_nested",
        "_opening",
        "_taken",
        "abandoned",
        "ended",
        "entry",
        "error",
        "helped",
        "met_others",
        "ran_ahead",
        "started",
        "tag",
        "template",
    )

    def __init__(
        self,
        entry: str,
        started: float,
        template: Template,
        p_graph: Graph,
        e_graph: Graph,
        decisions: Sequence[Decision] = (),
        calls: Sequence[EngineCall] = (),
        ended: float | None = None,
        predicted_gain: float | None = None,
        error: str = "",
    ) -> None:
        self.entry = entry
        self.started = started
        self.template = template
        self.ended = ended
        self.error = error
        self.abandoned = False
        """Whether its reader has left the stream that it returned before the end."""
        self.ran_ahead = any(call.outcome is not Outcome.DIRECT for call in calls)
        """Whether something was computed ahead, or could have been, at some time of the call."""
        self.helped = ""
        """What else was done for it, that no record of a call shows: rows were copied."""
        self.met_others = False
        """Whether it shared a server with calls of other kinds: its time says what these cost."""
        self.tag: object = None
        """What those who export calls keep with it."""
        self._opening = (p_graph, e_graph, decisions, predicted_gain)
        self._known = calls
        self._events: list[Event] = []
        self._nested: list[CallRecord] = []
        self._account: Account | None = None
        self._taken = 0

    @property
    def whole(self) -> bool:
        """Whether it came to its end: neither raised, nor cancelled, nor left by its reader."""
        return not self.error and not self.abandoned

    # While it runs. Appending is atomic, so events may come from several threads.

    def note_call(self, call: EngineCall) -> None:
        """A call begins: one made ahead names its primitive, one of the original's own does not."""
        self._events.append(call)

    def note_growth(self, instead_of: str, plan: Planned) -> None:
        """The graphs grow by those of ``plan``."""
        growth = Growth(instead_of, plan.p_graph, plan.e_graph, plan.decisions, plan.predicted_gain)
        self._events.append(growth)

    def note_decision(self, decision: Decision) -> None:
        """Something was done or refused."""
        self._events.append(decision)

    def note_nested(self, record: CallRecord) -> None:
        """Another accelerated object is called inside of this call."""
        self._nested.append(record)

    def noted_calls(self) -> Iterator[EngineCall]:
        """All engine calls so far, without a look at what belongs where."""
        yield from self._known
        yield from (event for event in self._events if isinstance(event, EngineCall))
        for nested in self._nested:
            yield from nested.noted_calls()

    # For those who look.

    def settled(self) -> Account:
        """The graphs as they are now; every call so far knows its primitive."""
        if self._account is None or self._taken != len(self._events):
            with _settling:
                events = tuple(self._events)
                self._account = settle(self._opening, events)
                self._taken = len(events)
        return self._account

    @property
    def own_calls(self) -> list[EngineCall]:
        """The engine calls under its own plan, each with its primitive, in the order they began."""
        self.settled()
        return [*self._known, *(e for e in self._events if isinstance(e, EngineCall))]

    @property
    def calls(self) -> list[EngineCall]:
        """All engine calls: its own, and those of the accelerated objects called inside of it."""
        own = self.own_calls
        if not self._nested:
            return own
        inside = [call for record in self._nested for call in record.calls]
        return sorted([*own, *inside], key=lambda call: call.queued)

    @property
    def nested(self) -> tuple[CallRecord, ...]:
        """Those of the accelerated objects that were called directly inside of it."""
        return tuple(self._nested)

    @property
    def until(self) -> float:
        """When it ended; of a call that still runs, the last moment that is known."""
        if self.ended is not None:
            return self.ended
        known = [t for call in self.calls for t in (call.queued, call.started, call.ended)]
        return max([self.started, *(t for t in known if t is not None)])

    def family(self) -> Iterator[CallRecord]:
        """This record, and those of the accelerated objects called inside of it."""
        yield self
        for record in self._nested:
            yield from record.family()

    @property
    def p_graph(self) -> Graph:
        """The graph before the passes, with all that it has grown by."""
        return self.settled().p_graph

    @property
    def e_graph(self) -> Graph:
        """The graph after the passes."""
        return self.settled().e_graph

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was done or refused, in order."""
        return self.settled().decisions

    @property
    def predicted_gain(self) -> float | None:
        """Seconds the e-graph was expected to save."""
        return self.settled().predicted_gain

    @property
    def measured_gain(self) -> float:
        """Seconds of engine time that the original did not have to wait for."""
        return sum(call.saved for call in self.calls)


__all__ = ["CallRecord", "EngineCall", "Outcome"]
