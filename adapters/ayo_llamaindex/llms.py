"""LLMs of LlamaIndex: which requests they make, without calling them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import is_plain_client
from ayo_bridge.bindings.openai_http import HTTPX, register_endpoint
from ayo_bridge.engines.openai_http import (
    Delivery,
    LLMRequest,
    OpenAIServer,
    make_call,
    make_warm,
    prove,
)
from ayo_bridge.lift.witness import saw, wavers
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_llamaindex.exact import differs

_METHODS = (
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
_NOT_BODY = ("extra_headers", "extra_query", "extra_body", "timeout", "stream", "stream_options")
_SENTINEL = "\ue000ayo-bridge\ue001"


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

    def predict(self, prompt: Any, arguments: Mapping[str, Any], *, stream: bool = False) -> Call:
        """The call that ``llm.predict(prompt, **arguments)`` (or ``stream``) makes."""
        if self.is_chat:
            return self._chat(self.llm._get_messages(prompt, **arguments), stream=stream)
        return self._complete(self.llm._get_prompt(prompt, **arguments), stream=stream)

    def complete(self, text: str, *, on_text: Callable[[str], None] | None = None) -> Call:
        """The call that ``llm.complete(text)`` makes; ``on_text`` sees the text as it grows."""
        text = self.llm.completion_to_prompt(text)
        if self.is_chat:
            from llama_index.core.base.llms.generic_utils import prompt_to_messages

            return self._chat(prompt_to_messages(text), on_text=on_text)
        return self._complete(text, on_text=on_text)

    def warm(self, prompt: Any, arguments: Mapping[str, Any], late: str, runtime: Home) -> Call:
        """A prefix warm for ``llm.predict``: everything before the first use of ``late``.

        Raises:
            ValueError: nothing of the prompt comes before it.
        """
        filled = {**arguments, late: _SENTINEL}
        if self.is_chat:
            messages = self._messages(self.llm._get_messages(prompt, **filled))
            for index, message in enumerate(messages):
                content = message.get("content")
                if isinstance(content, str) and _SENTINEL in content:
                    before = {**message, "content": content.split(_SENTINEL)[0]}
                    prefix = [*messages[:index], before]
                    return make_warm(
                        self.engine, self._request({"messages": prefix}), priority=runtime.priority
                    )
        else:
            text = self.llm._get_prompt(prompt, **filled)
            if _SENTINEL in text:
                prefix_text = text.split(_SENTINEL)[0]
                return make_warm(
                    self.engine, self._request({"prompt": prefix_text}), priority=runtime.priority
                )
        raise ValueError(f"{late!r} does not occur in the prompt")

    def prove(self, runtime: Home) -> None:
        """Have the server probed in the background, once: may its replies be rebuilt?

        Decoding pipelining and prefix warms wait for the result; until then they are refused.
        """
        server = runtime.scheduler(self.engine).engine
        content: dict[str, Any] = {"messages": []} if self.is_chat else {"prompt": ""}
        request = self._request(content)
        if isinstance(server, OpenAIServer) and runtime.first(("proof", request.url, self.engine)):
            runtime.submit(prove(server, request))

    def _messages(self, messages: Sequence[Any]) -> list[dict[str, Any]]:
        from llama_index.llms.openai.utils import to_openai_message_dicts

        dicts: Any = to_openai_message_dicts(messages, model=self.llm.model)
        return list(dicts)

    def _chat(
        self,
        messages: Sequence[Any],
        *,
        stream: bool = False,
        on_text: Callable[[str], None] | None = None,
    ) -> Call:
        body = {"messages": self._messages(messages)}
        return make_call(self.engine, self._request(body, stream=stream, on_text=on_text))

    def _complete(
        self,
        text: str,
        *,
        stream: bool = False,
        on_text: Callable[[str], None] | None = None,
    ) -> Call:
        body: dict[str, Any] = {"prompt": text}
        return make_call(self.engine, self._request(body, stream=stream, on_text=on_text))

    def _request(
        self,
        content: Mapping[str, Any],
        *,
        stream: bool = False,
        on_text: Callable[[str], None] | None = None,
    ) -> LLMRequest:
        """The request as the OpenAI SDK would send it (openai 2.54, ``completions.create``)."""
        llm = self.llm
        options = llm._get_model_kwargs(**({"stream": True} if stream else {}))
        if "prompt" in content:
            llm._update_max_tokens(options, content["prompt"])
        body = {**content, **{k: v for k, v in options.items() if k not in _NOT_BODY}}
        body["stream"] = stream
        if stream and "stream_options" in options:
            body["stream_options"] = options["stream_options"]
        body.update(options.get("extra_body") or {})
        if stream:
            delivery = Delivery.REPLAY_STREAM
        elif on_text is not None:
            delivery = Delivery.REBUILD
        else:
            delivery = Delivery.PLAIN
        path = "/chat/completions" if "messages" in body else "/completions"
        headers = {
            "Authorization": f"Bearer {llm.api_key}",
            **(llm.default_headers or {}),
            **(options.get("extra_headers") or {}),
        }
        return LLMRequest(
            url=llm.api_base.rstrip("/") + path,
            headers=tuple(headers.items()),
            body=body,
            timeout=float(options.get("timeout") or llm.timeout),
            delivery=delivery,
            on_text=on_text,
        )


def lift_llm(llm: Any, runtime: Home) -> LiftedLLM | str:
    """Lift an LLM, or say why it is left to run as it is."""
    try:
        from llama_index.llms.openai_like import OpenAILike
    except ImportError:
        return "llama-index-llms-openai-like is not installed"
    reason = differs(llm, OpenAILike, *_METHODS)
    if reason is not None:
        return reason
    reason = unfollowed([HTTPX])
    if reason is not None:
        return reason
    if llm.rate_limiter is not None:
        return "the LLM has a rate limiter: its requests are not made early"
    if llm.output_parser is not None:
        return "the LLM has an output parser: its prompts are not formatted early"
    if _callable_parts(llm):
        return "the LLM has its own messages_to_prompt or completion_to_prompt"
    if llm.modalities or llm.audio_config:
        return "audio is not run ahead"
    for client in (llm._http_client, llm._async_http_client):
        if client is None:
            continue
        wavers()  # Hooks and proxies may be put on it at any time.
        custom = is_plain_client(client)
        if custom is not None:
            return f"the LLM has an HTTP client of its own: {custom}"
    options = llm._get_model_kwargs()
    if options.get("extra_query") or options.get("tools"):
        return "the LLM sends tools or extra query parameters"
    try:
        json.dumps({k: v for k, v in options.items() if k not in _NOT_BODY})
    except TypeError:
        return "the LLM's additional_kwargs are not plain JSON"
    if not llm.api_base or not llm.api_key:
        return "the LLM has no api_base or api_key of its own"
    parts = urlsplit(llm.api_base)
    name = f"llm:{llm.model}@{parts.netloc}"
    if not runtime.knows(name):
        runtime.register(OpenAIServer(name, llm.api_base))
    if runtime.first(("endpoint", llm.api_base, name)):
        register_endpoint(llm.api_base, name)
    return LiftedLLM(llm, name)


def _callable_parts(llm: Any) -> bool:
    from llama_index.core.base.llms.generic_utils import (
        messages_to_prompt as generic_messages_to_prompt,
    )
    from llama_index.core.llms.llm import default_completion_to_prompt

    return (
        llm.messages_to_prompt is not generic_messages_to_prompt
        or llm.completion_to_prompt is not default_completion_to_prompt
    )
