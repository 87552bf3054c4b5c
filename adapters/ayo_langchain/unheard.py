"""Keeps a run that only verifies from whoever listens to LangChain.

Every event of a run, tracers' included, goes through ``handle_event`` or ``ahandle_event``. Written
for langchain-core 1.7.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.recognise import is_a, loaded
from ayo_bridge.lift.shows import Acting, Given, Shows
from ayo_bridge.lift.unheard import untold, untold_async
from ayo_langchain.known import CORE

_MANAGER: Final = "langchain_core.callbacks.manager"
UNHEARD: Final = Binding(
    "LangChain listeners",
    "langchain-core",
    CORE,
    (
        Target(_MANAGER, "handle_event", untold),
        Target(_MANAGER, "ahandle_event", untold_async),
    ),
)


class LangChainShows(Shows):
    """What is known of LangChain's runnables that are run once more to be verified."""

    framework = "LangChain"
    silencers = (UNHEARD,)
    packages = ("langchain", "langgraph")
    names_inputs = False
    acting = (
        Acting("langchain_core.tools.base", "BaseTool", "it calls tools"),
        Acting("langgraph.prebuilt.tool_node", "ToolNode", "it calls tools"),
        Acting("langgraph.checkpoint.base", "BaseCheckpointSaver", "it keeps checkpoints"),
        Acting("langgraph.store.base", "BaseStore", "it writes to a store"),
        Acting("langchain_core.chat_history", "BaseChatMessageHistory", "it keeps a conversation"),
    )

    def verifiable(self) -> str | None:
        """Why its objects are not run once more; ``None`` if they are, and nobody hears of it."""
        cache = loaded("langchain_core.globals", "get_llm_cache")
        if cache is not None and cache() is not None:
            return "answers are kept in LangChain's cache"
        return super().verifiable()

    def given(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Given | str:
        """The arguments less the callbacks."""
        from langchain_core.runnables.config import var_child_runnable_config

        modes = kwargs.get("stream_mode") or ()
        if "messages" in ((modes,) if isinstance(modes, str) else modes):
            return "the messages that it streams are told by a listener"
        around = var_child_runnable_config.get()
        given = kwargs.get("config", args[1] if len(args) > 1 else None)
        configs = given if isinstance(given, list | tuple) else (given,)
        if any(map(_streams_events, (*configs, around))):
            return "its events are streamed"
        rest = {name: each for name, each in kwargs.items() if name != "config"}
        less = [_unheard(each) for each in configs]
        config = less if isinstance(given, list | tuple) else less[0]
        if "config" in kwargs:
            rest["config"] = config
        return Given((args[0], config, *args[2:]) if len(args) > 1 else tuple(args), rest)

    def hush(self) -> None:
        """Nobody whom the call around it has told is told."""
        from langchain_core.runnables.config import var_child_runnable_config

        var_child_runnable_config.set(_unheard(var_child_runnable_config.get()))

    def listens(self, value: Any) -> bool:
        """Whether it is told of events."""
        return any(
            is_a(value, "langchain_core.callbacks.base", name)
            for name in ("BaseCallbackHandler", "BaseCallbackManager")
        )

    def said_of(self, value: Any) -> object:
        """The content of a message and what tools it calls; a document. No ids: those of runs."""
        if hasattr(value, "page_content"):
            return [value.page_content, value.metadata]
        if hasattr(value, "content") and hasattr(value, "response_metadata"):
            calls = [[call["name"], call["args"]] for call in getattr(value, "tool_calls", ())]
            return [value.type, value.content, calls]
        return dict(vars(value)) if hasattr(type(value), "model_fields") else None


def _streams_events(config: Any) -> bool:
    """Whether what a run does depends on a listener: one that reads its events streams them."""
    streaming = loaded("langchain_core.tracers._streaming", "_StreamingCallbackHandler")
    callbacks = config.get("callbacks") if isinstance(config, Mapping) else None
    handlers = getattr(callbacks, "handlers", callbacks) or ()
    return streaming is not None and any(isinstance(each, streaming) for each in handlers)


def _unheard(config: Any) -> Any:
    if not isinstance(config, Mapping) or "callbacks" not in config:
        return config
    return {name: each for name, each in config.items() if name != "callbacks"}


__all__ = ["UNHEARD", "LangChainShows"]
