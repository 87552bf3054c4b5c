"""What one call will do ahead of the original: graphs, decisions, and how calls are made."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from ayo_bridge.graph import Graph, Primitive, Template
from ayo_bridge.passes import Decision
from ayo_bridge.schedule import ComponentOp, Handler, Values, Work

Maker = Handler[Work, Values]
"""Who makes calls ahead. An item of a list value becomes a call of its own, as the original would
make it."""
Makers = Mapping[ComponentOp, Maker]


def index_of(primitive: Primitive) -> int:
    """Which of its component's calls a primitive is: the number at the end of its p-graph id."""
    found = _INDEX.search(primitive.root)
    return int(found[1]) if found else 0


_INDEX = re.compile(r"\[(\d+)\]$")


@dataclass(frozen=True, slots=True)
class Plan:
    """The optimised graph of a call and what of it runs ahead.

    ``ahead`` holds the ids of the e-graph's primitives that can end earlier than the original would
    end them; the others are left to the original.
    """

    template: Template
    p_graph: Graph
    e_graph: Graph
    decisions: tuple[Decision, ...] = ()
    ahead: frozenset[str] = frozenset()
    predicted_gain: float | None = None
    makers: Makers = field(default_factory=dict)
    remaining: Mapping[str, float] = field(default_factory=dict)
    """Seconds from the start of each primitive of the e-graph to the end, if anything is ahead."""
    known: Hashable = None
    """What was known of the engines when it was made; plans of one call go by the same."""
