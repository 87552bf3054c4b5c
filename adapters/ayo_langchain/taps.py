"""Taps: where LangChain's own code tells the graph what it has been asked and what it has made.

They wrap methods of ``MultiQueryRetriever`` that emit no events. Written for langchain-classic
1.0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.taps import after, after_async, guide_of
from ayo_bridge.runahead import current_scope
from ayo_langchain.guide import Guide
from ayo_langchain.known import CLASSIC

Wrapped = Callable[..., Any]


@contextmanager
def _begun(retriever: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
    """Tell the graph that a retriever has been asked; inside, it is the one that runs."""
    guide = guide_of(Guide)
    if guide is None:
        yield
        return
    token = None
    try:
        query = args[0] if args else kwargs["query"]
        token = guide.begins(retriever, query, kwargs["run_manager"].inheritable_handlers)
    except Exception as error:  # Telling the graph never breaks the original.
        scope = current_scope()
        if scope is not None:
            scope.note(f"a retriever could not be followed: {error!r}")
    try:
        yield
    finally:
        if token is not None:
            guide.ends(token)


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


_generate = after(Guide, lambda guide, retriever, _, lines: guide.generated(retriever, lines))
_agenerate = after_async(
    Guide, lambda guide, retriever, _, lines: guide.generated(retriever, lines)
)

_MODULE: Final = "langchain_classic.retrievers.multi_query"
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
