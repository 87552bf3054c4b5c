"""What the taps tell the graph of a running call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import Token

from ayo_bridge.graph import Op
from ayo_bridge.lift.lifted import Asked, Draft
from ayo_bridge.lift.makers import RefusedMaker, item_values
from ayo_bridge.lift.places import Place, Places, Running
from ayo_bridge.runahead import AcceleratedState, Scope
from ayo_langchain.expansion import Expansion
from ayo_langchain.kinds import KINDS
from ayo_langchain.llms import streams


class Guide(Places):
    """Follows the retrievers of one call. Thread-safe; lives as long as its scope."""

    def __init__(
        self, scope: Scope, state: AcceleratedState, asked: Asked, free: Iterable[Place]
    ) -> None:
        super().__init__(scope, state, asked, KINDS, free)

    def begins(self, retriever: object, query: str, handlers: Iterable[object]) -> Token[Running]:
        """A retriever has been asked."""
        place = self.place(retriever)
        if place is not None and place.asks and streams(handlers):
            left = RefusedMaker("a callback handler makes the model stream")
            self.scope.add_makers({(place.asks, Op.PREFILLING): left})
        return self.begin(place, query)

    def generated(self, retriever: object, lines: object) -> None:
        """The original has parsed the generated queries."""
        expansion = self.running(retriever)
        if not isinstance(expansion, Expansion):
            return
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return
        self.state.expected[id(retriever)] = max(len(lines), 1)
        self.scope.feed(item_values(expansion.queries, lines))
        self._search_more(expansion, lines[expansion.lines :])

    def _search_more(self, expansion: Expansion, lines: Sequence[str]) -> None:
        """Search for more queries than the graph has places for.

        It has a place for each only where decoding is pipelined; else one primitive takes all.
        """
        search = expansion.search
        e_graph = self.scope.record.settled().e_graph
        by_item = e_graph.producer(f"{expansion.queries}[0]") is not None
        if not lines or search is None or not by_item:
            return
        name, value = f"{expansion.queries}.search", f"{expansion.queries}[more]"
        draft = Draft(inputs=[value])
        concurrent = not self.asked.sync
        draft.add(search.component(name, (value,), len(lines), concurrent=concurrent))
        draft.makers.update(search.makers(name))
        self.grow(draft)
        self.scope.feed({value: list(lines)})
