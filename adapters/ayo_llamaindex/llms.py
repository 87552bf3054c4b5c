"""LLMs of LlamaIndex: which requests they make, without calling them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.openai_http import HTTPX
from ayo_bridge.bindings.openai_sdk import Form, client_differs
from ayo_bridge.lift.llm import Served, is_sdk_json, served_model
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
_CHAT: Final = Form("/chat/completions")
_TEXT: Final = Form("/completions")
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


class Clients:
    """The SDK clients of an LLM object, as it gets them for its own calls.

    One that makes a client for each call (``reuse_client=False``) has one more made here, with the
    same arguments, for as long as these stay the same: that one is asked to build, never to send.
    """

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self._made: dict[bool, tuple[Mapping[str, Any], Any]] = {}

    def get(self, sync: bool) -> Any:
        """The client of the next call; it is made where the LLM would make it."""
        llm = self._llm
        if llm.reuse_client:
            return llm._get_client() if sync else llm._get_aclient()
        arguments = llm._get_credential_kwargs(is_async=not sync)
        made = self._made.get(sync)
        if made is None or made[0] != arguments:
            made = arguments, llm._get_client() if sync else llm._get_aclient()
            self._made[sync] = made
        return made[1]

    def known(self, sync: bool) -> Any:
        """The client of the next call, if it is there already; else ``None``."""
        llm = self._llm
        return (llm._client if sync else llm._aclient) if llm.reuse_client else None


@dataclass(frozen=True, slots=True)
class LiftedLLM:
    """An LLM whose requests can be made ahead. Reads the LLM object, never has it make a call.

    ``sync`` says which of its clients the call in question uses.
    """

    llm: Any
    engine: str
    runtime: Home
    sync: bool
    _clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        """Find its clients."""
        object.__setattr__(self, "_clients", Clients(self.llm))

    @property
    def is_chat(self) -> bool:
        """Whether its prompts go out as chat messages."""
        return bool(self.llm.is_chat_model)

    def predict(self, prompt: Any, arguments: Mapping[str, Any]) -> Call:
        """The call that ``llm.predict(prompt, **arguments)`` makes."""
        return self._served().call(self._arguments(self._content(prompt, arguments)))

    def chat(self, messages: Sequence[Any], options: Mapping[str, Any]) -> Call:
        """The call that ``llm.chat(messages, **options)`` makes."""
        return self._served().call(self._chatted(messages, options))

    def warm_chat(self, messages: Sequence[Any], options: Mapping[str, Any]) -> Call:
        """A prefix warm for a chat that begins with these messages."""
        return self._served().warm(self._chatted(messages, options))

    def _chatted(self, messages: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
        if self.is_chat:
            return self._arguments({"messages": self._messages(messages)}, options)
        return self._arguments({"prompt": self.llm.messages_to_prompt(messages)}, options)

    def complete(self, text: str, on_text: Callable[[str], None]) -> Call:
        """The call that ``llm.complete(text)`` makes; ``on_text`` sees the text as it grows."""
        text = self.llm.completion_to_prompt(text)
        if not self.is_chat:
            return self._served().call(self._arguments({"prompt": text}), on_text)
        from llama_index.core.base.llms.generic_utils import prompt_to_messages

        messages = self._messages(prompt_to_messages(text))
        return self._served().call(self._arguments({"messages": messages}), on_text)

    def warm(self, prompt: Any, arguments: Mapping[str, Any], late: str) -> Call:
        """A prefix warm for ``llm.predict``: everything before the first use of ``late``.

        Raises:
            ValueError: nothing of the prompt comes before it.
        """
        content = self._content(prompt, {**arguments, late: _SENTINEL})
        prefix = _cut(content)
        if prefix is None:
            raise ValueError(f"{late!r} does not occur in the prompt")
        return self._served().warm(self._arguments(prefix))

    def prove(self) -> None:
        """Have the server probed in the background, once its client is there."""
        client = self._clients.known(self.sync)
        if client is not None:
            content: dict[str, Any] = {"messages": []} if self.is_chat else {"prompt": ""}
            self._served(client).prove(self._arguments(content))

    def _content(self, prompt: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if self.is_chat:
            return {"messages": self._messages(self.llm._get_messages(prompt, **arguments))}
        return {"prompt": self.llm._get_prompt(prompt, **arguments)}

    def _messages(self, messages: Sequence[Any]) -> list[dict[str, Any]]:
        from llama_index.llms.openai.utils import to_openai_message_dicts

        dicts: Any = to_openai_message_dicts(messages, model=self.llm.model)
        return list(dicts)

    def _arguments(
        self, content: Mapping[str, Any], given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What its method of the SDK is called with (llama-index-llms-openai 0.7, ``_chat``)."""
        options = self.llm._get_model_kwargs(**(given or {}))
        if "prompt" in content:
            self.llm._update_max_tokens(options, content["prompt"])
        return {**content, "stream": False, **options}

    def _served(self, client: Any = None) -> Served:
        client = client or self._clients.get(self.sync)
        return Served(self.runtime, self.engine, client, _CHAT if self.is_chat else _TEXT)


def lift_llm(llm: Any, runtime: Home, *, sync: bool) -> LiftedLLM | str:
    """Lift an LLM for calls of its one client, or say why it is left to run as it is."""
    if type(llm) is loaded("llama_index.llms.vllm.base", "Vllm") and (broken := broken_vllm()):
        return broken
    known = loaded("llama_index.llms.openai_like", "OpenAILike")
    if known is None:
        return f"{type(llm).__name__} is not a known LLM"
    reason = differs(llm, known, *_METHODS) or unfollowed([HTTPX]) or _not_ahead(llm, sync)
    if reason is not None:
        return reason
    return LiftedLLM(llm, served_model(runtime, base_url(llm, sync), llm.model), runtime, sync)


def broken_vllm() -> str | None:
    """Why calls of LlamaIndex's ``Vllm`` fail in this process, accelerated or not; ``None``: fine.

    llama-index-llms-vllm 0.8.0 with vLLM 0.19 and later.
    """
    cls = loaded("llama_index.llms.vllm.base", "Vllm")
    params = loaded("vllm.sampling_params", "SamplingParams")
    if cls is None or params is None or "best_of" not in cls.model_fields:
        return None
    if "best_of" in params.__struct_fields__:
        return None
    return (
        "LlamaIndex's Vllm passes best_of, which this vLLM does not take: each of its calls raises "
        "TypeError. Serve the model (ayo-bridge serve-llm MODEL) and ask it by OpenAILike"
    )


def base_url(llm: Any, sync: bool) -> str:
    """Where its requests go: that is the client's affair, once there is one."""
    client = Clients(llm).known(sync)
    return str(client.base_url) if client is not None else llm.api_base


def _not_ahead(llm: Any, sync: bool) -> str | None:
    """Why requests of this ``OpenAILike`` are not made ahead."""
    if llm.rate_limiter is not None:
        return "the LLM has a rate limiter: its requests are not made early"
    if llm.output_parser is not None:
        return "the LLM has an output parser: its prompts are not formatted early"
    if _callable_parts(llm):
        return "the LLM has its own messages_to_prompt or completion_to_prompt"
    if llm.modalities or llm.audio_config:
        return "audio is not run ahead"
    options = llm._get_model_kwargs()
    if options.get("tools"):
        return "the LLM sends tools"
    if not is_sdk_json(options):
        return "the LLM's additional_kwargs are not plain JSON"
    if not llm.api_base or not llm.api_key:
        return "the LLM has no api_base or api_key of its own"
    # Hooks and proxies may be put on a client at any time.
    return checked(lambda: client_refusal(llm, sync))


def client_refusal(obj: Any, sync: bool, what: str = "LLM") -> str | None:
    """Why nothing is made ahead for the client of an object, which an LLM or embedding model has.

    ``what`` it is called in the reason.
    """
    client = Clients(obj).known(sync)
    if client is not None:
        reason = client_differs(client)
        http, url = getattr(client, "_client", None), str(getattr(client, "base_url", ""))
    else:
        reason = None
        http, url = obj._http_client if sync else obj._async_http_client, obj.api_base
    if not obj.reuse_client and (http is not None or url.startswith("https:")):
        own = "with an HTTP client or TLS context of its own"
        return f"the {what} makes a client for each call, {own}"
    if reason is not None or http is None:
        return reason
    way = way_of(http, url)
    return f"the {what} has an HTTP client of its own: {way}" if isinstance(way, str) else None


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
