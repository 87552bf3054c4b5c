"""Packing asks for the tokens of the same words again and again: they are remembered."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

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
    encoding = cast("Any", getattr(tokenizer.func, "__self__", None))
    cls = loaded("tiktoken.core", "Encoding")
    if cls is None or type(encoding) is not cls or tokenizer.func != encoding.encode:
        return None
    if PLAIN.overridden(encoding, "encode") is not None:
        return None
    # Once used, the encoding holds this set itself, where anybody could change it.
    special = set(encoding._special_tokens)
    if vars(encoding).get("special_tokens_set", special) != special:
        return None
    registered = loaded("tiktoken.registry", "ENCODINGS") or {}
    own = registered.get(encoding.name) is encoding
    if not own:
        return None
    known = _remembered.get(encoding.name)
    if known is None or known[0] is not encoding._core_bpe:
        known = encoding._core_bpe, Remembered(tokenizer)
        _remembered[encoding.name] = known
    return known[1]


__all__ = ["remember_tokens"]
