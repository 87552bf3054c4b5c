"""Keeps a run that only verifies from whoever listens to LlamaIndex.

Events, spans and callbacks of such a run would be of a call that no user has made. Written for
llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.runahead.verified import replaying
from ayo_llamaindex.known import TESTED

Wrapped = Callable[..., Any]


def _untold(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return None if replaying() else wrapped(*args, **kwargs)


def _untold_async(
    wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Awaitable[Any]:
    untold: Awaitable[Any] = _nothing() if replaying() else wrapped(*args, **kwargs)
    return untold


async def _nothing() -> None:
    return None


def _unstarted(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An event that nobody hears of has an id all the same."""
    return kwargs.get("event_id") or "" if replaying() else wrapped(*args, **kwargs)


_DISPATCHER: Final = "llama_index_instrumentation.dispatcher"
_CALLBACKS: Final = "llama_index.core.callbacks.base"

UNHEARD: Final = Binding(
    "LlamaIndex listeners",
    "llama-index-core",
    TESTED,
    (
        Target(_DISPATCHER, "Dispatcher.event", _untold),
        Target(_DISPATCHER, "Dispatcher.aevent", _untold_async),
        Target(_DISPATCHER, "Dispatcher.span_enter", _untold),
        Target(_DISPATCHER, "Dispatcher.span_drop", _untold),
        Target(_DISPATCHER, "Dispatcher.span_exit", _untold),
        Target(_CALLBACKS, "CallbackManager.on_event_start", _unstarted),
        Target(_CALLBACKS, "CallbackManager.on_event_end", _untold),
        Target(_CALLBACKS, "CallbackManager.start_trace", _untold),
        Target(_CALLBACKS, "CallbackManager.end_trace", _untold),
    ),
)


def shown(result: Any) -> object:
    """The text of a response and its sources with their scores; of a retriever, what it found."""
    if isinstance(result, list):
        return [_source(each) for each in result]
    text, sources = getattr(result, "response", None), getattr(result, "source_nodes", None)
    if not isinstance(text, str) or not isinstance(sources, list):
        return None
    return text, [_source(each) for each in sources]


def _source(found: Any) -> tuple[object, ...]:
    return found.node.node_id, found.node.get_content(), found.score


__all__ = ["UNHEARD", "shown"]
