"""Values that travel through the graphs of retrieval, whatever the framework."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Embedded:
    """A query text with its embedding, as the store gets it."""

    text: str
    vector: list[float]
