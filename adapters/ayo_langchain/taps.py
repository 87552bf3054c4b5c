"""Taps: where LangChain's own code tells the graph what it has been asked and what it has made.

They wrap methods of ``MultiQueryRetriever`` that emit no events, and are pass-throughs without a
scope. Written for langchain-classic 1.0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.runahead import current_scope
from ayo_langchain.exact import CLASSIC
from ayo_langchain.expansion import Expansion
from ayo_langchain.guide import Guide

Wrapped = Callable[..., Any]

_running: ContextVar[tuple[Any, Guide, Expansion] | None] = ContextVar(
    "ayo_langchain_expansion", default=None
)
"""The multi-query retriever whose queries are being generated, and its place in the graph."""


@contextmanager
def _begun(retriever: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
    """Tell the graph that a retriever has been asked; inside, it is the one that runs."""
    scope = current_scope()
    guide = scope.guide if scope is not None else None
    if scope is None or not isinstance(guide, Guide):
        yield
        return
    found: tuple[Any, Guide, Expansion] | None = None
    try:
        query = args[0] if args else kwargs["query"]
        handlers = kwargs["run_manager"].inheritable_handlers
        expansion = guide.begins(retriever, query, handlers)
        found = (retriever, guide, expansion) if expansion is not None else None
    except Exception as error:  # Telling the graph never breaks the original.
        scope.note(f"a retriever could not be followed: {error!r}")
    token = _running.set(found)
    try:
        yield
    finally:
        _running.reset(token)


def _generated(retriever: Any, lines: Any) -> None:
    running = _running.get()
    scope = current_scope()
    if running is None or scope is None or running[0] is not retriever:
        return
    try:
        running[1].generated(running[2], lines)
    except Exception as error:
        scope.note(f"generated queries could not be followed: {error!r}")


def _get_documents(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with _begun(instance, args, kwargs):
        return wrapped(*args, **kwargs)


async def _aget_documents(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with _begun(instance, args, kwargs):
        return await wrapped(*args, **kwargs)


def _generate(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    lines = wrapped(*args, **kwargs)
    _generated(instance, lines)
    return lines


async def _agenerate(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    lines = await wrapped(*args, **kwargs)
    _generated(instance, lines)
    return lines


_MODULE = "langchain_classic.retrievers.multi_query"
TAPS: Final = Binding(
    "LangChain's multi-query retriever",
    "langchain-classic",
    CLASSIC,
    (
        Target(_MODULE, "MultiQueryRetriever._get_relevant_documents", _get_documents),
        Target(_MODULE, "MultiQueryRetriever._aget_relevant_documents", _aget_documents),
        Target(_MODULE, "MultiQueryRetriever.generate_queries", _generate),
        Target(_MODULE, "MultiQueryRetriever.agenerate_queries", _agenerate),
    ),
)
