"""What the taps tell the graph of a running call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ayo_bridge.graph import Component, Template
from ayo_bridge.runahead import Maker, MakerKey, Scope
from ayo_langchain.expansion import Expansion, lift_multi_query
from ayo_langchain.lift import LiftedChain
from ayo_langchain.lifter import Lifter
from ayo_langchain.llms import streams


class Guide:
    """Follows the multi-query retrievers of one call. Thread-safe; lives as long as its scope.

    A retriever that the template has no (more) place for, as one inside a function or in a loop,
    makes the graph grow when the original comes to it.
    """

    def __init__(self, scope: Scope, chain: LiftedChain, lifter: Lifter) -> None:
        self._scope = scope
        self._chain = chain
        self._lifter = lifter
        self._lock = threading.Lock()
        self._free = list(chain.expansions)
        self._grown = 0

    def begins(self, retriever: object, query: str, handlers: Iterable[object]) -> Expansion | None:
        """A multi-query retriever has been asked; returns its place in the graph."""
        expansion = self._place(retriever)
        if expansion is None:
            return None
        if expansion.llm is not None and streams(handlers):
            expansion.llm.off = "a callback handler makes the model stream"
        settled = self._chain.settled.get(expansion.question, ())
        known: dict[str, object] = {v: None for v in settled if not self._scope.knows(v)}
        self._scope.feed({**known, expansion.question: query})
        return expansion

    def generated(self, expansion: Expansion, lines: object) -> None:
        """The original has parsed the generated queries."""
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return
        self._lifter.expected[id(expansion.retriever)] = max(len(lines), 1)
        self._scope.feed(expansion.values(lines))
        self._search_more(expansion, lines[expansion.lines :])

    def _place(self, retriever: object) -> Expansion | None:
        with self._lock:
            for index, expansion in enumerate(self._free):
                if expansion.retriever is retriever:
                    return self._free.pop(index)
            self._grown += 1
            prefix = f"again{self._grown}."
        lifted = lift_multi_query(
            retriever, self._lifter, lambda kind: prefix + kind, f"{prefix}question"
        )
        if isinstance(lifted, str):
            self._scope.note(lifted)
            return None
        self._grow(lifted.components, (lifted.expansion.question,), lifted.makers)
        return lifted.expansion

    def _search_more(self, expansion: Expansion, lines: Sequence[str]) -> None:
        """Search for more queries than the graph has places for.

        It has a place for each only where decoding is pipelined; else one primitive takes all.
        """
        search = expansion.search
        by_item = (
            self._scope.record.settled().e_graph.producer(f"{expansion.queries}[0]") is not None
        )
        if not lines or search is None or not by_item:
            return
        name, value = f"{expansion.queries}.search", f"{expansion.queries}[more]"
        component = search.component(name, (value,), len(lines), concurrent=not self._lifter.sync)
        self._grow([component], (value,), search.makers(name))
        self._scope.feed({value: list(lines)})

    def _grow(
        self,
        components: Sequence[Component],
        inputs: tuple[str, ...],
        makers: dict[MakerKey, Maker],
    ) -> None:
        names = [component.name for component in components]
        template = Template(tuple(components), tuple(pairwise(names)), inputs, "grown")
        plan = self._scope.runtime.planner.plan(template, makers)
        self._scope.expand("", plan, {})
