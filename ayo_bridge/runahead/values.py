"""Values that travel through the graphs of retrieval, whatever the framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text with its vector, as the store gets it."""

    text: str
    vector: Any
