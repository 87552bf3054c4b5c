"""Taps: where LangChain's own code tells the graph what it has been asked and what it has made.

They wrap methods of retrievers that emit no events. Written for langchain-classic 1.0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.places import Kind, ended
from ayo_bridge.lift.taps import after, after_async, guide_of
from ayo_bridge.runahead import current_scope
from ayo_langchain.guide import Guide
from ayo_langchain.kinds import KINDS
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
        query, manager = _asked(*args, **kwargs)
        token = guide.begins(retriever, query, manager.inheritable_handlers)
    except Exception as error:  # Telling the graph never breaks the original.
        scope = current_scope()
        if scope is not None:
            scope.note(f"a retriever could not be followed: {error!r}")
    try:
        yield
    finally:
        if token is not None:
            ended(token)


def _asked(query: str, run_manager: Any, **_: Any) -> tuple[str, Any]:
    return query, run_manager


def _begins(wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with _begun(instance, args, kwargs):
        return wrapped(*args, **kwargs)


async def _abegins(
    wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with _begun(instance, args, kwargs):
        return await wrapped(*args, **kwargs)


_generate = after(Guide, lambda guide, retriever, _, lines: guide.generated(retriever, lines))
_agenerate = after_async(
    Guide, lambda guide, retriever, _, lines: guide.generated(retriever, lines)
)

_MULTI_QUERY: Final = "langchain_classic.retrievers.multi_query"
_FURTHER: Final[Mapping[str, tuple[Target, ...]]] = {
    _MULTI_QUERY: (
        Target(_MULTI_QUERY, "MultiQueryRetriever.generate_queries", _generate),
        Target(_MULTI_QUERY, "MultiQueryRetriever.agenerate_queries", _agenerate),
    )
}
"""What else is told of, by the module of a class."""


def _tap(kind: Kind) -> Binding:
    sync, awaited = kind.begins
    return Binding(
        f"LangChain's {kind.name}",
        "langchain-classic",
        CLASSIC,
        (
            Target(kind.module, f"{kind.name}.{sync}", _begins),
            Target(kind.module, f"{kind.name}.{awaited}", _abegins),
            *_FURTHER.get(kind.module, ()),
        ),
    )


TAPS: Final = tuple(map(_tap, KINDS))
