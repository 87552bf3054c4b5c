"""``ChatOpenAI``: which requests it makes, without calling it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.http_client import is_plain_client
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.lift.llm import Endpoint, is_json, served_model
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_langchain.known import differs, is_binding, overridden

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
_CLIENT_METHODS: Final = ("post", "request", "_build_request", "_build_headers", "_prepare_options")
_NOT_BODY: Final = ("extra_headers", "extra_query", "extra_body", "timeout")
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

    def call(self, prompt: Any, on_text: Callable[[str], None]) -> Call:
        """The call that ``llm.invoke(prompt)`` makes; ``on_text`` sees the text as it grows.

        Raises:
            ValueError: the request is one that is not made ahead.
        """
        messages = prompt.to_messages()
        if not all(isinstance(message.content, str) for message in messages):
            raise ValueError("the prompt has parts that are not text")
        endpoint, body = self._request(messages)
        return endpoint.call(body, on_text)

    def prove(self, runtime: Home) -> None:
        """Have the server probed in the background, once."""
        endpoint, body = self._request([])
        endpoint.prove(body, runtime)

    def _request(self, messages: list[Any]) -> tuple[Endpoint, dict[str, Any]]:
        """What the OpenAI SDK would send, and where (openai 2.54, ``completions.create``)."""
        payload = self.llm._get_request_payload(messages, **self.bound)
        body = {name: value for name, value in payload.items() if name not in _NOT_BODY}
        body.update(payload.get("extra_body") or {})
        client = self.llm.root_client
        headers = {**client.auth_headers, **client.default_headers}
        sent = tuple((k, v) for k, v in headers.items() if isinstance(v, str))
        timeout = _timeout(payload.get("timeout", client.timeout))
        return Endpoint(self.engine, _url(client), sent, timeout), body


def lift_llm(llm: Any, runtime: Home) -> LiftedLLM | str:
    """Lift a chat model, bound parameters included, or say why nothing is known of it."""
    outside: list[Any] = []
    while is_binding(saw(llm)):
        outside.append(llm)
        llm = llm.bound
    known = loaded("langchain_openai.chat_models.base", "BaseChatOpenAI")
    if known is None or not isinstance(llm, known):
        return f"{class_of(llm).__name__} is not a known model"
    client = llm.root_client or llm.root_async_client
    if client is None:
        return "the model has no client"
    # Whoever makes the requests, they are seen: an endpoint does no more than that.
    engine = served_model(runtime, str(client.base_url), llm.model_name)
    return LiftedLLM(llm, engine, tuple(outside))


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
    if llm.http_client is not None or llm.http_async_client is not None:
        return "the model has an HTTP client of its own"
    if llm.streaming or llm.disable_streaming:
        return "how the model streams is set"
    if llm.n is not None and llm.n > 1:
        return "the model gives several answers at once"
    if callable(llm.openai_api_key):
        return "the model's key is a function"
    if llm.default_query or llm.include_response_headers:
        return "the model has query parameters of its own or asks for the response's headers"
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
    sync = _sdk_differs(llm.root_client, loaded("openai", "OpenAI"), llm.client)
    return sync or _sdk_differs(
        llm.root_async_client, loaded("openai", "AsyncOpenAI"), llm.async_client
    )


def _sdk_differs(client: Any, cls: Any, resource: Any) -> str | None:
    http: Any = getattr(saw(client), "_client", None)
    if type(client) is not cls or getattr(saw(resource), "_client", None) is not client:
        return "the model has an SDK client of its own"
    # Hooks and proxies may be put on it at any time.
    return overridden(client, *_CLIENT_METHODS) or checked(
        lambda: is_plain_client(http, _url(client))
    )


def _parameters_differ(llm: Any, bound: Mapping[str, Any]) -> str | None:
    parameters = {**llm._default_params, **bound}
    refused = [name for name in _REFUSED_FIELDS if name in parameters]
    if refused:
        return f"the model sends {', '.join(refused)}"
    if "extra_headers" in parameters or "extra_query" in parameters:
        return "the model sends headers or query parameters of its own"
    if llm._use_responses_api(parameters):
        return "the model uses the Responses API"
    if not is_json({k: v for k, v in parameters.items() if k != "timeout"}):
        return "the model's parameters are not plain JSON"
    return None


def _url(client: Any) -> str:
    return str(client.base_url).rstrip("/") + "/chat/completions"


def _timeout(timeout: Any) -> float | dict[str, float | None] | None:
    if isinstance(timeout, int | float):
        return float(timeout)
    as_dict: dict[str, float | None] | None = timeout.as_dict() if timeout is not None else None
    return as_dict
