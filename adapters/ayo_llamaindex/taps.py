"""Taps: where LlamaIndex's own code tells the graph what it has made.

They wrap framework helpers, emit no events, and are pass-throughs without a scope. Written for
llama-index-core 0.14.25.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.runahead import current_scope
from ayo_llamaindex.exact import TESTED
from ayo_llamaindex.guide import Guide

Wrapped = Callable[..., Any]
_CORE = "llama_index.core"


def _guide() -> Guide | None:
    scope = current_scope()
    guide = scope.guide if scope is not None else None
    return guide if isinstance(guide, Guide) else None


def _quietly(step: Callable[..., None], *args: Any) -> None:
    """Telling the graph never breaks the original."""
    try:
        step(*args)
    except Exception as error:
        scope = current_scope()
        if scope is not None:
            scope.note(f"a step could not be followed: {error!r}")


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Call arguments by name, extra keyword arguments merged in."""
    if not args:  # As LlamaIndex calls its own.
        return kwargs
    bound = _signature(function.__func__).bind(None, *args, **kwargs).arguments
    bound.pop("self", None)
    return {**bound, **bound.pop("response_kwargs", {})}


@lru_cache(maxsize=64)
def _signature(function: Wrapped) -> inspect.Signature:
    return inspect.signature(function)


def _synthesis(begin: Callable[[Guide, dict[str, Any]], None]) -> Any:
    def wrapper(
        wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        guide = _guide()
        if guide is not None and guide.follows(instance):
            _quietly(lambda: begin(guide, _arguments(wrapped, args, kwargs)))
        return wrapped(*args, **kwargs)

    return wrapper


def _rest(arguments: dict[str, Any], *taken: str) -> dict[str, Any]:
    return {k: v for k, v in arguments.items() if k not in taken}


@_synthesis
def _tree(guide: Guide, arguments: dict[str, Any]) -> None:
    guide.tree_level(_rest(arguments, "query_str", "text_chunks"))


@_synthesis
def _accumulate(guide: Guide, arguments: dict[str, Any]) -> None:
    guide.accumulate(
        arguments["query_str"],
        arguments["text_chunks"],
        _rest(arguments, "query_str", "text_chunks", "separator"),
    )


@_synthesis
def _refine(guide: Guide, arguments: dict[str, Any]) -> None:
    guide.refine(
        arguments["query_str"],
        arguments["text_chunks"],
        _rest(arguments, "query_str", "text_chunks", "prev_response"),
    )


def _repack(wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    chunks = wrapped(*args, **kwargs)
    guide = _guide()
    if guide is not None:
        _quietly(lambda: guide.packed(instance, _first(args, kwargs, "prompt"), chunks))
    return chunks


def _first(args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
    return args[0] if args else kwargs[name]


def _split(wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scope = current_scope()
    if scope is None or not scope.hands_over:
        return wrapped(*args, **kwargs)
    guide = _guide()
    found = guide.split(instance, *args, **kwargs) if guide is not None else None
    return found.value if found is not None else wrapped(*args, **kwargs)


def _merge(wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scope = current_scope()
    if scope is None or not scope.hands_over:
        return wrapped(*args, **kwargs)
    guide = _guide()
    found = guide.merge(instance, *args, **kwargs) if guide is not None else None
    return found.value if found is not None else wrapped(*args, **kwargs)


def _get_queries(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    queries = wrapped(*args, **kwargs)
    guide = _guide()
    if guide is not None:
        _quietly(lambda: guide.generated(instance, queries))
    return queries


async def _aget_queries(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    queries = await wrapped(*args, **kwargs)
    guide = _guide()
    if guide is not None:
        _quietly(lambda: guide.generated(instance, queries))
    return queries


_SYNTHESIZERS = f"{_CORE}.response_synthesizers"
TAPS = Binding(
    "LlamaIndex helpers",
    "llama-index-core",
    TESTED,
    (
        Target(f"{_SYNTHESIZERS}.tree_summarize", "TreeSummarize.get_response", _tree),
        Target(f"{_SYNTHESIZERS}.tree_summarize", "TreeSummarize.aget_response", _tree),
        Target(f"{_SYNTHESIZERS}.accumulate", "Accumulate.get_response", _accumulate),
        Target(f"{_SYNTHESIZERS}.accumulate", "Accumulate.aget_response", _accumulate),
        Target(f"{_SYNTHESIZERS}.refine", "Refine.get_response", _refine),
        Target(f"{_SYNTHESIZERS}.refine", "Refine.aget_response", _refine),
        Target(f"{_CORE}.indices.prompt_helper", "PromptHelper.repack", _repack),
        Target(f"{_CORE}.node_parser.text.token", "TokenTextSplitter._split", _split),
        Target(f"{_CORE}.node_parser.text.token", "TokenTextSplitter._merge", _merge),
        Target(
            f"{_CORE}.retrievers.fusion_retriever",
            "QueryFusionRetriever._get_queries",
            _get_queries,
        ),
        Target(
            f"{_CORE}.retrievers.fusion_retriever",
            "QueryFusionRetriever._aget_queries",
            _aget_queries,
        ),
    ),
)
