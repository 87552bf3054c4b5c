"""``ChatOllama``: which requests it makes, without calling it. Their replies always stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.engines.dialects import OLLAMA_CHAT
from ayo_bridge.lift import ollama
from ayo_bridge.lift.recognise import is_a, loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_langchain.known import differs

_METHODS: Final = (
    *("invoke", "ainvoke", "generate_prompt", "agenerate_prompt", "generate", "agenerate"),
    *("_generate_with_cache", "_agenerate_with_cache", "_generate", "_agenerate"),
    *("_convert_input", "_chat_params", "_create_chat_stream", "_acreate_chat_stream"),
    *("_iterate_over_stream", "_aiterate_over_stream", "_resolve_format_param"),
    *("_chat_stream_with_aggregation", "_achat_stream_with_aggregation"),
    "_convert_messages_to_ollama_messages",
)


@dataclass(frozen=True, slots=True)
class LiftedOllama:
    """A ``ChatOllama``: its requests are seen, and made ahead if nothing refuses it."""

    llm: Any
    engine: str

    def refusal(self) -> str | None:
        """Why its requests are not made ahead, or ``None``."""
        from langchain_core.globals import get_llm_cache

        llm = self.llm
        reason = differs(llm, loaded("langchain_ollama", "ChatOllama"), *_METHODS)
        if reason is not None:
            return reason
        if llm.cache or (llm.cache is None and checked(lambda: get_llm_cache() is not None)):
            return "the model has a cache"
        if llm.rate_limiter is not None:
            return "the model has a rate limiter"
        # Hooks and proxies may be put on a client at any time.
        clients = (llm._client, llm._async_client)
        return unfollowed(HTTP_BINDINGS) or checked(
            lambda: next(filter(None, map(ollama.client_differs, clients)), None)
        )

    def call(self, prompt: Any, on_text: Callable[[str], None], *, sync: bool) -> Call:
        """The call that ``llm.invoke(prompt)`` makes; ``on_text`` sees the text as it grows.

        Raises:
            ValueError: the request is one that is not made ahead.
        """
        messages = prompt.to_messages()
        if not all(isinstance(message.content, str) for message in messages):
            raise ValueError("the prompt has parts that are not text")
        client = self.llm._client if sync else self.llm._async_client
        return ollama.chat_call(self.engine, client, self.llm._chat_params(messages), on_text)

    def prove(self, *, sync: bool) -> None:
        """Nothing: its replies are streams."""


def lift_ollama(llm: Any, runtime: Home) -> LiftedOllama | None:
    """Lift a chat model of Ollama; ``None``: it is none, or has no client."""
    if not is_a(saw(llm), "langchain_ollama", "ChatOllama"):
        return None
    client = llm._client or llm._async_client
    if client is None:
        return None
    return LiftedOllama(llm, ollama.served_by_ollama(runtime, client, llm.model, OLLAMA_CHAT))
