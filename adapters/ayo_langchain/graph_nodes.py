"""Which nodes of a graph every run comes to, read off its structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, loaded

_STATE: Final = "langgraph.graph.state"
_START: Final = "__start__"


def always_run(graph: Any) -> Iterator[Any]:
    """What nodes run that no edge chooses, in an order in which they may run.

    None of a graph whose runs may begin or end in the midst of it: with a checkpointer, or with
    interrupts before or after nodes. What is cached need not run.
    """
    known = loaded(_STATE, "CompiledStateGraph")
    if known is None or class_of(graph) is not known:
        return
    if graph.checkpointer or graph.interrupt_before_nodes or graph.interrupt_after_nodes:
        return
    builder = graph.builder
    reached = [_START]
    for name in reached:  # It grows.
        after = [end for start, end in builder.edges if start == name]
        after += [end for starts, end in builder.waiting_edges if {*starts} <= {*reached}]
        reached += [end for end in sorted(after) if end in graph.nodes and end not in reached]
    for name in reached[1:]:
        node = graph.nodes[name]
        if node.cache_policy is None and not graph.cache_policy:
            yield node.bound
