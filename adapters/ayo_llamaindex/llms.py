"""LLMs of LlamaIndex: which requests they make, without calling them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import is_plain_client
from ayo_bridge.bindings.openai_http import HTTPX
from ayo_bridge.lift.llm import Endpoint, is_json, served_model
from ayo_bridge.lift.recognise import loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_llamaindex.known import differs

_METHODS: Final = (
    "predict",
    "apredict",
    "stream",
    "astream",
    "complete",
    "acomplete",
    "chat",
    "achat",
    "stream_chat",
    "stream_complete",
    "_get_prompt",
    "_get_messages",
    "_extend_prompt",
    "_extend_messages",
    "_get_model_kwargs",
    "_get_client",
    "_get_aclient",
    "_get_credential_kwargs",
    "_use_chat_completions",
    "_update_max_tokens",
)
_NOT_BODY: Final = (
    *("extra_headers", "extra_query", "extra_body"),
    *("timeout", "stream", "stream_options"),
)
_SENTINEL: Final = "\ue000ayo-bridge\ue001"


def prompt_differs(prompt: Any) -> str | None:
    """Why a prompt template cannot be formatted ahead, or ``None``.

    Its callable parts may be stateful, so they are left to the original.
    """
    from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, SelectorPromptTemplate

    saw(prompt)
    if type(prompt) is SelectorPromptTemplate:
        branches = [prompt.default_template, *(t for _, t in prompt.conditionals or ())]
        return next(filter(None, (prompt_differs(branch) for branch in branches)), None)
    if type(prompt) not in (PromptTemplate, ChatPromptTemplate):
        return f"{type(prompt).__name__} is not a known prompt template"
    if prompt.output_parser is not None or prompt.function_mappings:
        return "the prompt template has callable parts (output parser or function mappings)"
    return None


@dataclass(frozen=True, slots=True)
class LiftedLLM:
    """An LLM whose requests can be made ahead. Reads the LLM object, never calls it."""

    llm: Any
    engine: str

    @property
    def is_chat(self) -> bool:
        """Whether its prompts go out as chat messages."""
        return bool(self.llm.is_chat_model)

    def predict(self, prompt: Any, arguments: Mapping[str, Any]) -> Call:
        """The call that ``llm.predict(prompt, **arguments)`` makes."""
        return self._call(self._content(prompt, arguments))

    def complete(self, text: str, on_text: Callable[[str], None]) -> Call:
        """The call that ``llm.complete(text)`` makes; ``on_text`` sees the text as it grows."""
        text = self.llm.completion_to_prompt(text)
        if not self.is_chat:
            return self._call({"prompt": text}, on_text)
        from llama_index.core.base.llms.generic_utils import prompt_to_messages

        return self._call({"messages": self._messages(prompt_to_messages(text))}, on_text)

    def warm(self, prompt: Any, arguments: Mapping[str, Any], late: str, runtime: Home) -> Call:
        """A prefix warm for ``llm.predict``: everything before the first use of ``late``.

        Raises:
            ValueError: nothing of the prompt comes before it.
        """
        content = self._content(prompt, {**arguments, late: _SENTINEL})
        prefix = _cut(content)
        if prefix is None:
            raise ValueError(f"{late!r} does not occur in the prompt")
        endpoint, body = self._request(prefix)
        return endpoint.warm(body, runtime)

    def prove(self, runtime: Home) -> None:
        """Have the server probed in the background, once."""
        endpoint, body = self._request({"messages": []} if self.is_chat else {"prompt": ""})
        endpoint.prove(body, runtime)

    def _content(self, prompt: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if self.is_chat:
            return {"messages": self._messages(self.llm._get_messages(prompt, **arguments))}
        return {"prompt": self.llm._get_prompt(prompt, **arguments)}

    def _messages(self, messages: Sequence[Any]) -> list[dict[str, Any]]:
        from llama_index.llms.openai.utils import to_openai_message_dicts

        dicts: Any = to_openai_message_dicts(messages, model=self.llm.model)
        return list(dicts)

    def _call(
        self, content: Mapping[str, Any], on_text: Callable[[str], None] | None = None
    ) -> Call:
        endpoint, body = self._request(content)
        return endpoint.call(body, on_text)

    def _request(self, content: Mapping[str, Any]) -> tuple[Endpoint, dict[str, Any]]:
        """What the OpenAI SDK would send, and where (openai 2.54, ``completions.create``)."""
        llm = self.llm
        options = llm._get_model_kwargs()
        if "prompt" in content:
            llm._update_max_tokens(options, content["prompt"])
        body = {**content, **{k: v for k, v in options.items() if k not in _NOT_BODY}}
        body["stream"] = False
        body.update(options.get("extra_body") or {})
        path = "/chat/completions" if "messages" in body else "/completions"
        headers = {
            "Authorization": f"Bearer {llm.api_key}",
            **(llm.default_headers or {}),
            **(options.get("extra_headers") or {}),
        }
        timeout = float(options.get("timeout") or llm.timeout)
        url = llm.api_base.rstrip("/") + path
        return Endpoint(self.engine, url, tuple(headers.items()), timeout), body


def lift_llm(llm: Any, runtime: Home) -> LiftedLLM | str:
    """Lift an LLM, or say why it is left to run as it is."""
    known = loaded("llama_index.llms.openai_like", "OpenAILike")
    if known is None:
        return f"{type(llm).__name__} is not a known LLM"
    reason = differs(llm, known, *_METHODS) or unfollowed([HTTPX]) or _not_ahead(llm)
    if reason is not None:
        return reason
    return LiftedLLM(llm, served_model(runtime, llm.api_base, llm.model))


def _not_ahead(llm: Any) -> str | None:
    """Why requests of this ``OpenAILike`` are not made ahead."""
    if llm.rate_limiter is not None:
        return "the LLM has a rate limiter: its requests are not made early"
    if llm.output_parser is not None:
        return "the LLM has an output parser: its prompts are not formatted early"
    if _callable_parts(llm):
        return "the LLM has its own messages_to_prompt or completion_to_prompt"
    if llm.modalities or llm.audio_config:
        return "audio is not run ahead"
    for client in filter(None, (llm._http_client, llm._async_http_client)):
        # Hooks and proxies may be put on it at any time.
        custom = checked(lambda client=client: is_plain_client(client))  # type: ignore[misc]
        if custom is not None:
            return f"the LLM has an HTTP client of its own: {custom}"
    options = llm._get_model_kwargs()
    if options.get("extra_query") or options.get("tools"):
        return "the LLM sends tools or extra query parameters"
    if not is_json({k: v for k, v in options.items() if k not in _NOT_BODY}):
        return "the LLM's additional_kwargs are not plain JSON"
    if not llm.api_base or not llm.api_key:
        return "the LLM has no api_base or api_key of its own"
    return None


def _callable_parts(llm: Any) -> bool:
    from llama_index.core.base.llms.generic_utils import (
        messages_to_prompt as generic_messages_to_prompt,
    )
    from llama_index.core.llms.llm import default_completion_to_prompt

    return (
        llm.messages_to_prompt is not generic_messages_to_prompt
        or llm.completion_to_prompt is not default_completion_to_prompt
    )


def _cut(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What comes before the sentinel."""
    if "prompt" in content:
        before, found, _ = content["prompt"].partition(_SENTINEL)
        return {"prompt": before} if found else None
    messages = content["messages"]
    for index, message in enumerate(messages):
        text = message.get("content")
        if isinstance(text, str) and _SENTINEL in text:
            cut = {**message, "content": text.split(_SENTINEL)[0]}
            return {"messages": [*messages[:index], cut]}
    return None
