"""What LlamaIndex's own code is."""

from __future__ import annotations

from typing import Final

from ayo_bridge.lift.recognise import Recogniser

TESTED: Final = ("0.14.25", "0.15")
"""Versions of llama-index-core that the lifters were written for, half open."""

_recogniser: Final = Recogniser(
    ("llama_index", "llama_index_instrumentation", "tenacity", "contextlib", "deprecated")
)
differs: Final = _recogniser.differs
overridden: Final = _recogniser.overridden
replaced: Final = _recogniser.replaced
borrows: Final = _recogniser.borrows
