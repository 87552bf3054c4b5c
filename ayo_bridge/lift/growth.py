"""Syntheses whose graphs grow as their chunks become known; warms sent when their time comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ayo_bridge.graph import Graph, Synthesis, SynthesisMode
from ayo_bridge.runahead import Maker, Plan, Scope
from ayo_bridge.schedule import ComponentOp

WARM_AFTER: Final = 0.5
"""A prefix warm is sent this share of an estimated call after the call before it: late enough not
to compete with its prefilling, early enough to be done before its decoding ends."""


class SynthesisGrowth:
    """The levels of one synthesis in one call, as the original comes to them."""

    def __init__(self, scope: Scope, component: Synthesis, question: str) -> None:
        self._scope = scope
        self._component = component
        self._question = question
        self._level = 0

    def grow(self, chunks: int, makers: Mapping[ComponentOp, Maker]) -> Graph:
        """A level over so many chunks begins; returns the part that the graph grows by."""
        replaced, plan = self._plan(chunks, makers)
        self._scope.expand(replaced, plan, dict.fromkeys(plan.e_graph.inputs))
        self._level += 1
        return plan.e_graph

    def pays(self, chunks: int) -> bool:
        """Whether calls of a level over so many chunks would be made ahead."""
        return self._scope.pays(self._plan(chunks, {})[1])

    def _plan(self, chunks: int, makers: Mapping[ComponentOp, Maker]) -> tuple[str, Plan]:
        """What the next level takes the place of, and its plan."""
        scope, component, name = self._scope, self._component, self._component.name
        graph, expand = scope.plan.e_graph, f"{name}.expand"
        if self._level == 0 and expand in graph:
            inputs, prefix, replaced = graph[expand].inputs, "", expand
        else:
            inputs = (self._question, f"{name}.L{self._level - 1}.repacked")
            prefix, replaced = f"L{self._level}", ""
        if component.mode is SynthesisMode.TREE:
            prefix = f"L{self._level}"
        plan = scope.runtime.planner.plan_expansion(
            scope.plan.template,
            component,
            chunks,
            makers,
            inputs=inputs,
            prefix=prefix,
            known=scope.plan.known,
        )
        return replaced, plan

    def warm_later(self, primitive_id: str) -> None:
        """A call begins: send the prefix warm of the next one when that is of most use."""
        runtime = self._scope.runtime
        delay = WARM_AFTER * (runtime.profiles.typical(self._component.llm) or 0.0)

        async def later() -> None:
            await asyncio.sleep(delay)
            self._scope.run_ahead(primitive_id)

        self._scope.on_close(runtime.submit(later()).cancel)
