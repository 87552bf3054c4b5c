"""Opaque parts of a query engine that ask an LLM: where they are called, they are learned."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.learn.live.entry import run, run_async
from ayo_bridge.learn.live.opaque import LearnedPart
from ayo_bridge.lift.recognise import loaded
from ayo_bridge.lift.taps import guide_of
from ayo_bridge.lift.witness import saw
from ayo_llamaindex.guide import Guide
from ayo_llamaindex.known import TESTED
from ayo_llamaindex.learned import returned
from ayo_llamaindex.parts import part_of

_CORE: Final = "llama_index.core"
_DEEPEST: Final = 8


def asks_llm(obj: Any, depth: int = 0) -> bool:
    """Whether calls of an object ask an LLM, as far as is known of its class."""
    model = loaded(f"{_CORE}.base.llms.base", "BaseLLM")
    if model is not None and isinstance(obj, model):
        return True
    part = part_of(saw(obj))
    if part is None or depth >= _DEEPEST:
        return False
    held = (getattr(obj, name, None) for name in (*part.uses, *part.picks))
    return any(asks_llm(each, depth + 1) for each in chain.from_iterable(map(_several, held)))


def _several(held: Any) -> list[Any]:
    if isinstance(held, dict):
        return list(held.values())
    return list(held) if isinstance(held, list | tuple) else [held]


def _learned(part: Any, method: str) -> LearnedPart | None:
    guide = guide_of(Guide)
    return None if guide is None else guide.learned(part, method)


def _called(
    wrapped: Callable[..., Any], part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    known = _learned(part, wrapped.__name__)
    if known is None:
        return wrapped(*args, **kwargs)
    return run(wrapped, known.learned, args, kwargs, returned, known.own(part))


def _awaited(
    wrapped: Callable[..., Any], part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    known = _learned(part, wrapped.__name__)
    if known is None:
        return wrapped(*args, **kwargs)
    return run_async(wrapped, known.learned, args, kwargs, returned, known.own(part))


_ENTRIES: Final = (
    ("base.base_retriever", "BaseRetriever", "retrieve"),
    ("postprocessor.types", "BaseNodePostprocessor", "postprocess_nodes"),
    ("response_synthesizers.base", "BaseSynthesizer", "synthesize"),
)
PARTS: Final = Binding(
    "LlamaIndex parts",
    "llama-index-core",
    TESTED,
    tuple(
        Target(f"{_CORE}.{module}", f"{name}.{prefix}{method}", wrapper)
        for module, name, method in _ENTRIES
        for prefix, wrapper in (("", _called), ("a", _awaited))
    ),
)
"""Where parts are called."""
