"""Values that travel through the graphs of retrieval, whatever the framework."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ayo_bridge.graph import Primitive
from ayo_bridge.runahead.plan import Values


@dataclass(frozen=True, slots=True)
class Embedded:
    """A query text with its embedding, as the store gets it."""

    text: str
    vector: list[float]


def items(primitive: Primitive, values: Values) -> list[object]:
    """The batchable units of a primitive's inputs, in order."""
    found: list[object] = []
    for name in primitive.inputs:
        value = values[name]
        found.extend(value if isinstance(value, list) else [value])
    return found


def output(primitive: Primitive, results: Iterable[object]) -> Values:
    """Results under the primitive's output name, a list as the inputs were."""
    return {primitive.outputs[0]: list(results)}
