"""Keeps a run that only verifies from whoever listens to LlamaIndex.

Events, spans and callbacks of such a run would be of a call that no user has made. Written for
llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.copies import own as own_copy
from ayo_bridge.lift.recognise import is_a
from ayo_bridge.lift.shows import Acting, Shows
from ayo_bridge.lift.subclass import plain
from ayo_bridge.lift.unheard import Wrapped, untold, untold_async
from ayo_bridge.runahead.again import Later
from ayo_bridge.runahead.scope import replaying
from ayo_llamaindex.known import TESTED


def _unstarted(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An event that nobody hears of has an id all the same."""
    return kwargs.get("event_id") or "" if replaying() else wrapped(*args, **kwargs)


_CORE: Final = "llama_index.core"
_DISPATCHER: Final = "llama_index_instrumentation.dispatcher"
_CALLBACKS: Final = f"{_CORE}.callbacks.base"

UNHEARD: Final = Binding(
    "LlamaIndex listeners",
    "llama-index-core",
    TESTED,
    (
        Target(_DISPATCHER, "Dispatcher.event", untold),
        Target(_DISPATCHER, "Dispatcher.aevent", untold_async),
        Target(_DISPATCHER, "Dispatcher.span_enter", untold),
        Target(_DISPATCHER, "Dispatcher.span_drop", untold),
        Target(_DISPATCHER, "Dispatcher.span_exit", untold),
        Target(_CALLBACKS, "CallbackManager.on_event_start", _unstarted),
        Target(_CALLBACKS, "CallbackManager.on_event_end", untold),
        Target(_CALLBACKS, "CallbackManager.start_trace", untold),
        Target(_CALLBACKS, "CallbackManager.end_trace", untold),
    ),
)


class LlamaIndexShows(Shows):
    """What is known of LlamaIndex's objects that are run once more to be verified."""

    framework = "LlamaIndex"
    silencers = (UNHEARD,)
    packages = ("llama_index", "workflows")
    acting = (
        Acting(f"{_CORE}.memory.types", "BaseMemory", "it keeps a conversation"),
        Acting(f"{_CORE}.storage.chat_store.base", "BaseChatStore", "it keeps a conversation"),
        Acting(f"{_CORE}.ingestion.pipeline", "IngestionPipeline", "it writes to stores"),
    )

    def apart(self, obj: Any) -> tuple[Any, Sequence[object]] | None:
        """A chat engine with a memory of its own, where that is kept in this process."""
        memory = getattr(obj, "_memory", None)
        store = getattr(memory, "chat_store", None)
        if type(memory).__name__ not in _MEMORIES or type(store).__name__ != "SimpleChatStore":
            return None
        copied = plain(obj)
        object.__setattr__(copied, "_memory", own_copy(memory))
        return copied, (memory,)

    def acts(self, value: Any) -> str:
        """Tools act, pipelines and conversations write."""
        tool = is_a(value, f"{_CORE}.tools.types", "BaseTool")
        if tool and type(value).__name__ not in _ASKING:
            return "it calls tools"
        return super().acts(value)

    def listens(self, value: Any) -> bool:
        """Whether it is told of events, or tells of them."""
        return type(value).__name__ in _LISTENERS and type(value).__module__.startswith("llama_")

    def said_of(self, value: Any) -> object:
        """The text of a response and its sources with their scores; a node; a message."""
        score, node = getattr(value, "score", None), getattr(value, "node", None)
        if node is not None and hasattr(node, "node_id"):
            return [node.node_id, node.get_content(), score]
        sources = getattr(value, "source_nodes", None)
        if isinstance(sources, list):
            text = getattr(value, "response", None)
            return [text if isinstance(text, str) else "streams", sources]
        if hasattr(value, "blocks") and hasattr(value, "role"):
            return [str(value.role), value.content]
        if hasattr(value, "query_str"):
            return [value.query_str, value.custom_embedding_strs]
        if not hasattr(type(value), "model_fields"):
            return None
        fields = dict(vars(value))
        if type(value).__module__.startswith(_PACKAGE):
            fields.pop("raw", None)  # The server's whole reply, with the id that it has drawn.
        return fields

    def shown(self, result: Any) -> object:
        """What an answer says; of a chat that streams, its sources."""
        if type(result).__name__ == _CHAT:
            return Later(lambda: [self.item(each) for each in result.source_nodes])
        return super().shown(result)

    def stream_of(self, result: Any) -> Iterator[Any] | AsyncIterator[Any] | None:
        """What a response streams."""
        if type(result).__name__ == _CHAT and result.achat_stream is not None:
            asynchronous: AsyncIterator[Any] = result.async_response_gen()
            return asynchronous
        if type(result).__name__ == _CHAT:
            stream: Iterator[Any] = result.response_gen
            return stream
        held = getattr(result, "__dict__", {}).get("response_gen")
        return held if isinstance(held, Iterator | AsyncIterator) else None


_PACKAGE: Final = "llama_index."
_CHAT: Final = "StreamingAgentChatResponse"
_MEMORIES: Final = ("ChatMemoryBuffer",)
_ASKING: Final = ("QueryEngineTool", "RetrieverTool")
"""Tools that do nothing but ask."""
_LISTENERS: Final = ("CallbackManager", "Dispatcher")

__all__ = ["UNHEARD", "LlamaIndexShows"]
