"""Texts that a client sends as arrays of tokens (LangChain's OpenAI embeddings do), and back.

Only by encodings of tiktoken that the program has loaded itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

_USUAL: Final = "cl100k_base"
"""What is taken for models that tiktoken does not know, by LangChain too."""


def encoding_of(model: object) -> str:
    """The name of a model's encoding, if it is loaded; else an empty text."""
    tiktoken = sys.modules.get("tiktoken.model")
    if tiktoken is None or not isinstance(model, str):
        return ""
    try:
        name = str(tiktoken.encoding_name_for_model(model))
    except KeyError:
        name = _USUAL
    return name if name in sys.modules["tiktoken.registry"].ENCODINGS else ""


def decoded(encoding: str, rows: Sequence[Sequence[int]]) -> list[str] | None:
    """The texts of token arrays; ``None`` where they are not what the texts are encoded to."""
    try:
        texts = [_of(encoding).decode(list(row), errors="strict") for row in rows]
        return texts if encoded(encoding, texts) == [list(row) for row in rows] else None
    except (KeyError, TypeError, ValueError, OverflowError):  # Tokens of another encoding.
        return None


def encoded(encoding: str, texts: Sequence[str]) -> list[list[int]]:
    """The token arrays of texts.

    Raises:
        ValueError: the encoding is not loaded any more.
    """
    return [list(_of(encoding).encode_ordinary(text)) for text in texts]


def _of(encoding: str) -> Any:
    registry = sys.modules.get("tiktoken.registry")
    found = None if registry is None else registry.ENCODINGS.get(encoding)
    if found is None:
        raise ValueError(f"the encoding {encoding!r} is not loaded")
    return found
