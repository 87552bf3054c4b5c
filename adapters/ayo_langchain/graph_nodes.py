"""Which nodes of a graph every run comes to, read off its structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, loaded

_STATE: Final = "langgraph.graph.state"
_START: Final = "__start__"


def is_graph(obj: Any) -> bool:
    """Whether its nodes can be read off it."""
    known = loaded(_STATE, "CompiledStateGraph")
    return known is not None and class_of(obj) is known


def first_steps(graph: Any) -> Iterator[Sequence[Any]]:
    """What the nodes run of the steps that come first in every run, until an edge chooses.

    None of a graph whose runs may begin or end in the midst of it, or whose nodes need not run.
    """
    if graph.checkpointer or graph.interrupt_before_nodes or graph.interrupt_after_nodes:
        return
    builder, names, seen = graph.builder, [_START], {_START}
    while names and not any(builder.branches.get(name) for name in names):
        names = sorted({end for start, end in builder.edges if start in names} - seen)
        seen |= {*names}
        nodes = [graph.nodes.get(name) for name in names]
        if any(node is None or node.cache_policy or graph.cache_policy for node in nodes):
            return
        yield [node.bound for node in nodes if node is not None]


def always_run(graph: Any) -> Iterator[Any]:
    """What nodes run that no edge chooses, in an order in which they may run.

    None of a graph whose runs may begin or end in the midst of it: with a checkpointer, or with
    interrupts before or after nodes. What is cached need not run.
    """
    if not is_graph(graph):
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
