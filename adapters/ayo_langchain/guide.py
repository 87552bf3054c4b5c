"""What the taps tell the graph of a running call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar, Token

from ayo_bridge.graph import Op
from ayo_bridge.lift.lifted import Asked, Draft, MakerOf
from ayo_bridge.lift.makers import RefusedMaker, item_values
from ayo_bridge.lift.parts import Parts
from ayo_bridge.runahead import AcceleratedState, Maker, Scope
from ayo_bridge.runahead.planner import OVERHEAD_SECONDS
from ayo_bridge.schedule import ComponentOp
from ayo_langchain.expansion import Expansion
from ayo_langchain.kinds import kind_of
from ayo_langchain.llms import streams
from ayo_langchain.places import Place

Running = tuple[object, Place] | None
_running: ContextVar[Running] = ContextVar("ayo_langchain_place", default=None)
"""The innermost retriever that is running, and its place in the graph."""


class Guide:
    """Follows the retrievers of one call. Thread-safe; lives as long as its scope.

    A retriever that the template has no (more) place for, as one inside a function or in a loop,
    makes the graph grow when the original comes to it.
    """

    def __init__(
        self,
        scope: Scope,
        state: AcceleratedState,
        asked: Asked,
        places: Sequence[Place],
    ) -> None:
        self._scope = scope
        self._state = state
        self._asked = asked
        self._lock = threading.Lock()
        self._free = list(places)
        self._grown = 0
        self._more: frozenset[str] = frozenset()
        """What runs ahead beside what the call began with."""

    def begins(self, retriever: object, query: str, handlers: Iterable[object]) -> Token[Running]:
        """A retriever has been asked; undone by :meth:`ends`."""
        place = self._place(retriever)
        if place is not None:
            scope = self._scope
            if place.asks and streams(handlers):
                left = RefusedMaker("a callback handler makes the model stream")
                scope.add_makers({(place.asks, Op.PREFILLING): left})
            known: dict[str, object] = {v: None for v in place.settled if not scope.knows(v)}
            scope.feed({**known, place.question: query})
            if scope.runtime.run_ahead:
                self._share(place)
        return _running.set(None if place is None else (retriever, place))

    def _share(self, place: Place) -> None:
        """Have equal embeddings made once, where the plan leaves the first to the original."""
        scope = self._scope
        planned = scope.plan.ahead | self._more
        alone = [each for each in place.shared if f"{each[0]}.embed" not in planned]
        if not alone:
            return
        graph, profiles = scope.record.settled().e_graph, scope.runtime.profiles.profiles()
        for name, search in alone:
            primitive = graph.primitives.get(f"{name}.embed")
            seconds = None if primitive is None else profiles.seconds(primitive)
            if seconds is None or seconds > 2 * OVERHEAD_SECONDS:
                scope.add_makers(self._makers(search.makers(name)))
                scope.run_ahead(f"{name}.embed")

    @staticmethod
    def ends(token: Token[Running]) -> None:
        """The retriever has returned."""
        _running.reset(token)

    def generated(self, retriever: object, lines: object) -> None:
        """The original has parsed the generated queries."""
        running = _running.get()
        if running is None or running[0] is not retriever:
            return
        expansion = running[1]
        if not isinstance(expansion, Expansion):
            return
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return
        self._state.expected[id(retriever)] = max(len(lines), 1)
        self._scope.feed(item_values(expansion.queries, lines))
        self._search_more(expansion, lines[expansion.lines :])

    def _place(self, retriever: object) -> Place | None:
        with self._lock:
            for index, place in enumerate(self._free):
                if place.retriever is retriever:
                    return self._free.pop(index)
            self._grown += 1
            draft = Draft(f"again{self._grown}.")
        question = draft.input(f"{draft.prefix}question")
        kind = kind_of(retriever)
        if kind is None:
            return None
        found = kind.differs(retriever) or kind.lift(
            draft, retriever, Parts(self._state), question, sync=self._asked.sync
        )
        if isinstance(found, str):
            self._scope.note(found)
            return None
        self._grow(draft)
        return found

    def _search_more(self, expansion: Expansion, lines: Sequence[str]) -> None:
        """Search for more queries than the graph has places for.

        It has a place for each only where decoding is pipelined; else one primitive takes all.
        """
        search = expansion.search
        e_graph = self._scope.record.settled().e_graph
        by_item = e_graph.producer(f"{expansion.queries}[0]") is not None
        if not lines or search is None or not by_item:
            return
        name, value = f"{expansion.queries}.search", f"{expansion.queries}[more]"
        draft = Draft(inputs=[value])
        concurrent = not self._asked.sync
        draft.add(search.component(name, (value,), len(lines), concurrent=concurrent))
        draft.makers.update(search.makers(name))
        self._grow(draft)
        self._scope.feed({value: list(lines)})

    def _grow(self, draft: Draft) -> None:
        plan = self._scope.runtime.planner.plan(draft.template("grown"), self._makers(draft.makers))
        self._more |= plan.ahead
        self._scope.expand("", plan, {})

    def _makers(self, makers: Mapping[ComponentOp, MakerOf]) -> dict[ComponentOp, Maker]:
        return {key: make(self._asked) for key, make in makers.items()}
