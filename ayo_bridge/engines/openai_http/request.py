"""LLM requests as data: what is sent, how its reply is delivered, and what makes two equal."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from ayo_bridge.engines.launched import is_launched
from ayo_bridge.engines.openai_http.way import DIRECT, Way
from ayo_bridge.seam import Call, Foreseen

Headers = tuple[tuple[bytes, bytes], ...]
"""Names and values as they stand on the wire, in order."""

MARK = b"x-ayo-bridge"
"""Header of the requests that no original makes: its value is ``warm`` or ``probe``."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_DELIVERY = ("stream", "stream_options", "priority")
# What decides how a prompt is turned into tokens, and whose cache it is looked up in.
PROMPT_FIELDS = (
    "model",
    "tools",
    "documents",
    "chat_template",
    "chat_template_kwargs",
    "add_special_tokens",
    "mm_processor_kwargs",
    "truncate_prompt_tokens",
    "cache_salt",
)
_WARM_PRIORITY = 1_000
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_OF_DELIVERY = frozenset(
    {
        *(b"content-length", b"connection", b"accept-encoding"),
        *(b"traceparent", b"tracestate", b"baggage", b"b3", b"sentry-trace"),
        *(b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags"),
        *(b"x-stainless-retry-count", b"x-stainless-read-timeout"),
        MARK,
    }
)
"""Headers that say how a request travels, not what is asked, and by whom."""
_TRACES = b"x-datadog-"
_CALLER = re.compile(rb"auth|key|token|secret|organi[sz]ation|project|tenant", re.IGNORECASE)
"""In names of headers that say for whom a request is made."""


class Delivery(enum.StrEnum):
    """How the reply to a request gets to the one who asks for it."""

    PLAIN = "plain"
    """The original does not stream; neither do we."""
    REPLAY_STREAM = "replay_stream"
    """The original streams: its very stream fields are sent, the bytes are replayed as they come.
    """
    REBUILD = "rebuild"
    """The original does not stream, we do, and rebuild the plain reply. Where that is not proven
    for the server, or not possible for the request, it is sent as ``PLAIN``."""


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """The payload of a :class:`Call` to an :class:`OpenAIServer`.

    ``body`` and ``headers`` are what the original would send, ``way`` is how they would leave.
    ``connect`` and ``read`` are seconds, the second until the server sends anything; ``None`` waits
    for ever. ``on_text`` is called on the runtime's loop with the whole text of the answer so far:
    each time it has grown, or once at the end of a plain reply.
    """

    url: str
    headers: Headers
    body: Mapping[str, Any] | bytes
    connect: float | None = None
    read: float | None = None
    way: Way = DIRECT
    delivery: Delivery = Delivery.PLAIN
    on_text: Callable[[str], None] | None = None
    piece: Callable[[Any], str] | None = None
    """The text that a document of a stream of JSON lines adds to the answer."""
    asked: Mapping[str, Any] | None = None
    """What a reply is read with, where it says nothing by itself (places of texts)."""
    foreseen: Foreseen | None = None
    """What the graph of its query says of it."""

    def fields(self) -> dict[str, Any]:
        """The body, parsed."""
        if isinstance(self.body, bytes):
            parsed: dict[str, Any] = json.loads(self.body)
            return parsed
        return dict(self.body)

    @property
    def credential(self) -> Hashable:
        """By whom it is sent, and which way: what is learned for one never serves another.

        Without cookies, which some servers change with every reply.
        """
        return tuple(h for h in identity(self.headers) if h[0] != b"cookie"), self.way


def identity(headers: Headers) -> Headers:
    """Headers as far as they say what is asked, and by whom, in one order and lower case."""
    lower = [(name.lower(), value) for name, value in headers]
    return tuple(
        sorted(
            (name, value)
            for name, value in lower
            if name not in _OF_DELIVERY and not name.startswith(_TRACES)
        )
    )


def caller_of(headers: Headers) -> Hashable:
    """For whom a request is made: equal for equal keys, none of which can be read from it."""
    return hash(tuple(sorted((n.lower(), v) for n, v in headers if _names_caller(n))))


def caller_of_call(call: Call) -> Hashable:
    """For whom a call is made; ``None`` where it does not say."""
    request = call.payload
    return caller_of(request.headers) if isinstance(request, LLMRequest) else None


@lru_cache(maxsize=1024)
def _names_caller(name: bytes) -> bool:
    return _CALLER.search(name) is not None and b"idempotency" not in name.lower()


@lru_cache(maxsize=1024)
def normalised_url(url: str) -> str:
    """One spelling for equal URLs: lower-case scheme and host, no default port, no fragment."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    where = host if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{where}{parts.path or '/'}{query}"


def canonical_key(
    url: str, headers: Headers, body: bytes | Mapping[str, Any], way: Way = DIRECT
) -> Hashable:
    """The identity of a request: equal keys have interchangeable replies.

    The order of keys and the white space of the JSON do not matter, nor does ``priority``, nor
    headers that are about delivery alone. The stream fields say in which form the reply comes, so
    they stand apart: a plain and a streamed request of the same text have different keys.

    Raises:
        ValueError: the body is not a JSON object.
    """
    fields = json.loads(body) if isinstance(body, bytes) else dict(body)
    if not isinstance(fields, dict):
        raise ValueError("the body is not a JSON object")
    form: Hashable = "plain"
    if fields.get("stream"):
        options = fields.get("stream_options")
        form = "stream" if options is None else f"stream {_canonical(options)}"
    for name in _DELIVERY:
        fields.pop(name, None)
    digest = blake2b(_canonical(fields).encode("ascii"), digest_size=16)
    for header in identity(headers):
        digest.update(b"\0%b:%b" % header)
    return (normalised_url(url), form, digest.digest(), way)


def make_call(engine: str, request: LLMRequest) -> Call:
    """The call of a request that the original is going to make."""
    key = canonical_key(request.url, request.headers, request.body, request.way)
    return Call(engine, key, request)


def warm_body(body: Mapping[str, Any], *, priority: bool) -> dict[str, Any]:
    """The body of a prefix warm: have the server prefill a prompt and keep it cached.

    ``body`` is that of the full request with ``messages`` or ``prompt`` cut to the prefix. One
    token is decoded, since vLLM refuses none. The last message is left open
    (``continue_final_message``), so that what follows in the full prompt is not cut off by the
    end of a turn. ``priority``: whether the server takes priorities.
    """
    warm = {name: body[name] for name in PROMPT_FIELDS if name in body}
    if "messages" in body:
        warm["messages"] = _open_ended(body["messages"])
        warm["add_generation_prompt"] = False
        warm["continue_final_message"] = True
    else:
        warm["prompt"] = body["prompt"]
    warm.update(max_tokens=1, temperature=0)
    if priority:
        warm["priority"] = _WARM_PRIORITY
    return warm


def make_warm(engine: str, request: LLMRequest, *, priority: bool = False) -> Call:
    """A prefix warm, :func:`warm_body`, of a request whose body is cut to the prefix."""
    body = warm_body(request.fields(), priority=priority or is_launched(request.url))
    return marked_warm(engine, replace(request, body=body))


def marked_warm(engine: str, request: LLMRequest) -> Call:
    """The call of a prefix warm whose body is made already."""
    sent = replace(request, headers=(*request.headers, (MARK, b"warm")))
    key = ("warm", canonical_key(sent.url, sent.headers, sent.body, sent.way))
    return Call(engine, key, sent, warm=True)


def _open_ended(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat templates trim a message, and vLLM must find its end in the rendered prompt."""
    *before, last = messages
    content = last.get("content")
    if isinstance(content, str):
        last = {**last, "content": content.rstrip()}
    return [*before, last]
