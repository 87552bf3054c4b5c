"""Packing asks for the tokens of the same words again and again: they are remembered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from ayo_bridge.lift.memo import Remembered
from ayo_bridge.lift.recognise import PLAIN, loaded
from ayo_llamaindex.known import differs

_remembered: Final[dict[str, tuple[Any, Remembered]]] = {}
"""By the name of an encoding in tiktoken's registry, with its core: both live for ever anyway."""


def remember_tokens(splitter: Any) -> None:
    """Let a splitter that was just made for one packing remember the tokens of short texts."""
    cls = loaded("llama_index.core.node_parser.text.token", "TokenTextSplitter")
    if cls is None or differs(splitter, cls, "_split", "_merge") is not None:
        return
    remembered = _remembering(splitter._tokenizer)
    if remembered is not None:
        splitter._tokenizer = remembered


def _remembering(tokenizer: Any) -> Remembered | None:
    """The memo of LlamaIndex's default tokenizer; a user's own may have a state, and has none."""
    if type(tokenizer) is not partial or tokenizer.args or vars(tokenizer):
        return None
    if tokenizer.keywords != {"allowed_special": "all"}:
        return None
    encoding = getattr(tokenizer.func, "__self__", None)
    cls = loaded("tiktoken.core", "Encoding")
    if cls is None or type(encoding) is not cls or tokenizer.func != encoding.encode:
        return None
    if PLAIN.overridden(encoding, "encode", "special_tokens_set") is not None:
        return None
    registered = loaded("tiktoken.registry", "ENCODINGS") or {}
    if registered.get(encoding.name) is not encoding:
        return None
    core, remembered = _remembered.get(encoding.name, (None, None))
    if remembered is None or core is not encoding._core_bpe:
        remembered = Remembered(tokenizer)
        _remembered[encoding.name] = encoding._core_bpe, remembered
    return remembered


__all__ = ["remember_tokens"]
