"""``ChatOpenAI``: which requests it makes, without calling it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.bindings.openai_sdk import Form, client_differs
from ayo_bridge.lift.llm import Served, is_sdk_json, served_model
from ayo_bridge.lift.recognise import class_of, is_a, loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_langchain.known import differs, is_binding, overridden
from ayo_langchain.ollama_llms import LiftedOllama, lift_ollama

_METHODS: Final = (
    "invoke",
    "ainvoke",
    "generate_prompt",
    "agenerate_prompt",
    "generate",
    "agenerate",
    "_generate_with_cache",
    "_agenerate_with_cache",
    "_generate",
    "_agenerate",
    "_convert_input",
    "_get_request_payload",
    "_default_params",
    "_should_stream",
    "_use_responses_api",
)
_INVOKED: Final = Form("/chat/completions", raw=True)
"""``with_raw_response.create``, which invoke, generate and batch call (langchain-openai 1.0)."""
_COMPLETIONS: Final = "openai.resources.chat.completions.completions"
_REFUSED_FIELDS: Final = ("tools", "tool_choice", "functions", "function_call", "response_format")
_BOUND: Final = frozenset(
    {
        "stop",
        "temperature",
        "top_p",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
    }
)
"""What may be bound to a model (``llm.bind(stop=...)``) whose requests are made ahead."""


@dataclass(frozen=True, slots=True)
class LiftedLLM:
    """A model of the OpenAI family: its requests are seen, and made ahead if nothing refuses it.

    Reads the object, never calls it. ``outside`` are the bindings around the model, outermost
    first, and ``bound`` what they add to its requests.
    """

    llm: Any
    engine: str
    runtime: Home
    outside: tuple[Any, ...] = ()

    @property
    def bound(self) -> dict[str, Any]:
        """What is bound to the model: the outermost binding decides."""
        return {k: v for binding in reversed(self.outside) for k, v in binding.kwargs.items()}

    def refusal(self) -> str | None:
        """Why its requests are not made ahead, or ``None``."""
        reasons = (_binding_differs(binding) for binding in self.outside)
        return (
            next(filter(None, reasons), None)
            or differs(self.llm, loaded("langchain_openai", "ChatOpenAI"), *_METHODS)
            or unfollowed(HTTP_BINDINGS)
            or _not_ahead(self.llm, self.bound)
        )

    def call(self, prompt: Any, on_text: Callable[[str], None], *, sync: bool) -> Call:
        """The call that ``llm.invoke(prompt)`` makes; ``on_text`` sees the text as it grows.

        Raises:
            ValueError: the request is one that is not made ahead.
        """
        messages = prompt.to_messages()
        if not all(isinstance(message.content, str) for message in messages):
            raise ValueError("the prompt has parts that are not text")
        return self._served(sync).call(self._arguments(messages), on_text)

    def prove(self, *, sync: bool) -> None:
        """Have the server probed in the background, once its client has been answered."""
        self._served(sync).prove(self._arguments([]))

    def _arguments(self, messages: list[Any]) -> dict[str, Any]:
        payload: dict[str, Any] = self.llm._get_request_payload(messages, **self.bound)
        return payload

    def _served(self, sync: bool) -> Served:
        resource = self.llm.client if sync else self.llm.async_client
        return Served(self.runtime, self.engine, resource._client, _INVOKED)


def lift_llm(llm: Any, runtime: Home) -> LiftedLLM | LiftedOllama | str:
    """Lift a chat model, bound parameters included, or say why nothing is known of it."""
    if (served := lift_ollama(llm, runtime)) is not None:
        return served
    outside: list[Any] = []
    while is_binding(saw(llm)):
        outside.append(llm)
        llm = llm.bound
    if not is_a(llm, "langchain_openai.chat_models.base", "BaseChatOpenAI"):
        return f"{class_of(llm).__name__} is not a known model"
    client = llm.root_client or llm.root_async_client
    if client is None:
        return "the model has no client"
    # Whoever makes the requests, they are seen: an endpoint does no more than that.
    engine = served_model(runtime, str(client.base_url), llm.model_name)
    return LiftedLLM(llm, engine, runtime, tuple(outside))


def streams(handlers: Iterable[object]) -> bool:
    """Whether a callback handler makes ``invoke`` stream (langchain-core 1.7, _should_stream)."""
    from langchain_core.tracers import _streaming

    kinds = tuple(
        kind
        for name in ("_StreamingCallbackHandler", "_V2StreamingCallbackHandler")
        if (kind := getattr(_streaming, name, None)) is not None
    )
    return any(isinstance(handler, kinds) for handler in handlers)


def _binding_differs(binding: Any) -> str | None:
    names = sorted(set(binding.kwargs) - _BOUND)
    if names:
        return f"the model has {', '.join(names)} bound to it"
    if binding.config or binding.config_factories:
        return "the model has a config bound to it"
    return overridden(binding, "invoke", "ainvoke", "_merge_configs")


def _not_ahead(llm: Any, bound: Mapping[str, Any]) -> str | None:
    """Why requests of this ``ChatOpenAI`` are not made ahead."""
    from langchain_core.globals import get_llm_cache

    if llm.cache or (llm.cache is None and checked(lambda: get_llm_cache() is not None)):
        return "the model has a cache"
    if llm.rate_limiter is not None:
        return "the model has a rate limiter"
    if llm.streaming or llm.disable_streaming:
        return "how the model streams is set"
    if llm.n is not None and llm.n > 1:
        return "the model gives several answers at once"
    if callable(llm.openai_api_key):
        return "the model's key is a function"
    if llm.include_response_headers:
        return "the model asks for the response's headers"
    if getattr(llm, "_uses_gateway", False):
        return "the model goes through a gateway"
    if checked(lambda: streams(_handlers(llm))):
        return "a callback of the model makes it stream"
    return _client_differs(llm) or _parameters_differ(llm, bound)


def _handlers(llm: Any) -> Iterable[object]:
    callbacks = llm.callbacks or ()
    found: Iterable[object] = getattr(callbacks, "handlers", callbacks)
    return found


def _client_differs(llm: Any) -> str | None:
    sync = resource_differs(llm.client, _COMPLETIONS, "Completions")
    return sync or resource_differs(llm.async_client, _COMPLETIONS, "AsyncCompletions")


def resource_differs(resource: Any, module: str, name: str) -> str | None:
    """Why nothing is made ahead by what should be a resource of this class of the OpenAI SDK."""
    client = getattr(saw(resource), "_client", None)
    cls = loaded(module, name)
    if resource is None or type(resource) is not cls:
        return "the model's client is not one of the OpenAI SDK"
    # Hooks and proxies may be put on it at any time.
    return checked(lambda: client_differs(saw(client)) or _way_differs(client))


def _way_differs(client: Any) -> str | None:
    way = way_of(client._client, str(client.base_url))
    return way if isinstance(way, str) else None


def _parameters_differ(llm: Any, bound: Mapping[str, Any]) -> str | None:
    parameters = {**llm._default_params, **bound}
    refused = [name for name in _REFUSED_FIELDS if name in parameters]
    if refused:
        return f"the model sends {', '.join(refused)}"
    if llm._use_responses_api(parameters):
        return "the model uses the Responses API"
    if not is_sdk_json(parameters):
        return "the model's parameters are not plain JSON"
    return None
