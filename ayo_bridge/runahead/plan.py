"""What one call will do ahead of the original: graphs, decisions, and how calls are made."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.graph.primitive import PREFILLS
from ayo_bridge.passes import Decision
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call


class Maker(Protocol):
    """Turns a primitive with its input values into engine calls, and their results into values.

    Pure and quick: it runs on whatever thread completed the last input and must call no framework
    code that another thread may be using. An item of a list value becomes a call of its own, as the
    original would make it.
    """

    def calls(self, work: Work) -> Sequence[Call]:
        """Calls for the primitive. ``work.feed`` takes values that become known while they run."""

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Values made from the results, in the order of :meth:`calls`.

        Without calls the values may be computed here and now; nothing means that the primitive is
        left to the original.
        """


MakerKey = tuple[str, Op]
"""A component's name and an op; every prefill of a component has the maker of ``PREFILLING``."""


def maker_key(primitive: Primitive) -> MakerKey:
    """The key of the maker that serves a primitive."""
    prefill = primitive.op in PREFILLS or primitive.op is Op.PARTIAL_PREFILLING
    return primitive.component, Op.PREFILLING if prefill else primitive.op


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
    makers: Mapping[MakerKey, Maker] = field(default_factory=dict)
    remaining: Mapping[str, float] = field(default_factory=dict)
    """Seconds from the start of each primitive of the e-graph to the end, if anything is ahead."""
    known: Hashable = None
    """What was known of the engines when it was made; plans of one call go by the same."""
