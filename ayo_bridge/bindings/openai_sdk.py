"""Requests as an SDK client of openai would send them, built by that client.

What a request is made of lies in many places: arguments of the client, the environment, its HTTP
client's headers and cookies, user info in the address, the method that is called. All of it comes
together in the client's own ``_build_request``, so that is what is asked (openai 1.109 to 3.51; it
is private, but what we build is held against what is sent: see :func:`compared`). Nothing is ever
copied from a transport or an HTTP client: several models, of several tenants, share those.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import weakref
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.http_requests import address, as_sent, authorised
from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.engines.openai_http.request import Headers, LLMRequest, identity
from ayo_bridge.seam import current_scope

_RAW: Final = "X-Stainless-Raw-Response"
OPTIONS: Final = ("extra_headers", "extra_query", "extra_body", "timeout")
"""Arguments of the SDK's methods that stand beside the body."""
_NAMING: Final = ("extra_headers", "extra_query")
"""Options that may say for whom a request is."""
_OF_METHODS: Final = "x-stainless-"
"""How headers begin by which methods of the SDK tell what they are, for whomever they ask."""
_RENEWALS: Final = 2
_RENEWED: Final = 0.2
"""So many requests of the original, and this share of them, have cookies that a reply has just set
where balancers of load renew them with each: then none are built. One new session is no reason."""
_SORTS: Final = 64
"""Headers and queries that are remembered of a client: more are those of its users."""
_BUILDING: Final = (
    *("post", "request", "_build_request", "_build_headers", "_prepare_options"),
    *("_prepare_request", "_prepare_url", "_send_request", "auth_headers", "default_headers"),
)


@dataclass(frozen=True, slots=True)
class Form:
    """The method of a client's resource that sends a request.

    ``raw`` is that under ``with_raw_response``, whose requests say so in a header.
    """

    path: str
    """``/chat/completions``, ``/completions`` or ``/embeddings``."""
    raw: bool = False


@dataclass(slots=True)
class _Seen:
    """What is known of the requests of one client, made by one method."""

    sent: Headers | None = None
    """What its last request had that was found equal to the one we would have built."""
    extra: Mapping[str, Any] | None = None
    """The options with which the last one was built."""
    asked: set[Hashable] = field(default_factory=set)
    """The headers and queries that the original itself has named, as digests."""
    reason: str = ""
    """Why no more are built."""
    cookies: bytes | None = None
    """Those with which the last one was built."""
    renewed: bytes | None = None
    """Those of the last request of the original that had others than that."""
    held: int = 0
    """Requests of the original that were held against it;"""
    renewals: int = 0
    """so many of them had cookies that were new since."""

    def renews(self, sent: Headers) -> bool:
        """Whether cookies change so often that what is built has old ones."""
        cookies = _cookies(sent)
        self.held += 1
        if cookies not in (self.cookies, self.renewed):
            self.renewals += 1
            self.renewed = cookies
        return self.renewals >= _RENEWALS and self.renewals > _RENEWED * self.held


_seen: weakref.WeakKeyDictionary[Any, dict[Form, _Seen]] = weakref.WeakKeyDictionary()


def client_differs(client: Any) -> str | None:
    """Why requests of this SDK client are not built ahead; ``None``: they can be."""
    openai = sys.modules.get("openai")
    if openai is None or type(client) not in (openai.OpenAI, openai.AsyncOpenAI):
        return f"{type(client).__name__} is not a plain client of the OpenAI SDK"
    cls, own = type(client), vars(client)
    changed = [n for n in _BUILDING if n in own or not _is_own(getattr(cls, n, None))]
    if changed:
        return f"the SDK client's {', '.join(changed)} is not the library's own"
    if getattr(client, "_api_key_provider", None) is not None:
        return "the SDK client's key is a function"
    if getattr(client, "_provider_runtime", None) is not None:
        return "the SDK client has a provider"
    if getattr(client, "_idempotency_header", None):
        return "the SDK client sends a new idempotency key with each request"
    return None


def build(
    client: Any, form: Form, arguments: Mapping[str, Any], *, keep_order: bool = False
) -> LLMRequest:
    """The request that ``client`` sends when ``form`` is called with these arguments.

    Call it where the original would: an asynchronous client looks at the running loop. With
    ``keep_order`` they are a whole body, in the order in which it is written.

    Raises:
        CannotBuildError: it cannot be sent exactly so by us.
    """
    reason = client_differs(client)
    if reason is not None:
        raise CannotBuildError(reason)
    seen = _seen.setdefault(client, {}).setdefault(form, _Seen())
    if seen.reason:
        raise CannotBuildError(seen.reason)
    seen.extra = {name: arguments[name] for name in OPTIONS if name in arguments}
    body = {name: v for name, v in arguments.items() if name not in OPTIONS and _is_given(v)}
    body = body if keep_order else _ordered(client, form, body)
    request = _built(client, form, body, seen.extra)
    seen.cookies = _cookies(tuple(request.headers.raw))
    return as_sent(client._client, request)


def _built(client: Any, form: Form, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
    """An httpx or httpx2 request, as the SDK builds it."""
    headers = dict(extra.get("extra_headers") or {})
    if form.raw:
        headers[_RAW] = "true"
    options: dict[str, Any] = {"method": "post", "url": form.path, "json_data": dict(body)}
    if headers:
        options["headers"] = headers
    if extra.get("extra_query"):
        options["params"] = extra["extra_query"]
    if extra.get("extra_body"):
        options["extra_json"] = extra["extra_body"]
    if "timeout" in extra and _is_given(extra["timeout"]):
        options["timeout"] = extra["timeout"]
    kind = _options_class()
    if "security" in kind.model_fields:
        options["security"] = {"bearer_auth": True}
    return client._build_request(kind.construct(**options))


def _ordered(client: Any, form: Form, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the order in which the SDK writes them."""
    chat = form.path.startswith("/chat/")
    resource = client.chat.completions if chat else client.completions
    create: Callable[..., Any] = type(resource).create
    order = _order(create)
    return dict(sorted(body.items(), key=lambda item: order.get(item[0], len(order))))


@lru_cache(maxsize=16)
def _order(create: Callable[..., Any]) -> Mapping[str, int]:
    parameters = inspect.signature(create).parameters
    return {name: index for index, name in enumerate(parameters)}


def embedding_body(client: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The body that ``client.embeddings.create(**arguments)`` writes: nothing is sent.

    Its versions differ in the order of the fields and in how they ask for base64.

    Raises:
        CannotBuildError: the method is not the SDK's own.
    """
    cls = importlib.import_module("openai.resources.embeddings").Embeddings
    create = inspect.unwrap(cls.create)  # Whoever watches it is not told of this.
    if not _is_own(create):
        raise CannotBuildError("the SDK's embeddings.create is not the library's own")
    written: dict[str, Any] = {}
    resource = cls(client)
    resource._post = lambda path, *, body, **_: written.update(body)
    create(resource, **{name: v for name, v in arguments.items() if name not in OPTIONS})
    return written


@lru_cache(maxsize=1)
def _options_class() -> Any:
    return importlib.import_module("openai._models").FinalRequestOptions


def _is_given(value: Any) -> bool:
    return type(value).__name__ not in ("NotGiven", "Omit")


@lru_cache(maxsize=256)
def _is_own(found: Any) -> bool:
    """Whether a method or property is the SDK's; what a version does not have, nobody changed."""
    function = found.fget if isinstance(found, property) else found
    return function is None or str(getattr(function, "__module__", "")).startswith("openai.")


# What is sent.

_sending: ContextVar[tuple[Any, Any] | None] = ContextVar("ayo_bridge_sending", default=None)
"""The SDK client whose request is on its way to the transport, and the options of it."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A request that the original is sending: by which client and method, with which options.

    ``extra`` are the options that a request is built with beside its body. ``manner`` is equal
    where they are.
    """

    client: Any
    form: Form
    extra: Mapping[str, Any]

    @property
    def manner(self) -> Hashable:
        """The method and a digest of the options, among which may be credentials."""
        return self.form, _digest(self.extra)

    @property
    def named(self) -> Hashable:
        """A digest of the headers and the query that the options name; ``None``: they name none."""
        return _named(self.extra)


def _named(extra: Mapping[str, Any]) -> Hashable:
    given = {
        (option, name): value
        for option in _NAMING
        for name, value in (extra.get(option) or {}).items()
        if not name.lower().startswith(_OF_METHODS)
    }
    return _digest(given) if given else None


def _digest(options: Mapping[Any, Any]) -> str:
    plain = repr(sorted(options.items(), key=lambda item: item[0]))
    return blake2b(plain.encode(), digest_size=16).hexdigest()


def sending() -> Sending | None:
    """The request of an SDK client that the calling code hands to the network, if it is one."""
    known = _sending.get()
    if known is None or known[1] is None:
        return None
    client, options = known
    headers = options.headers if isinstance(options.headers, Mapping) else {}
    own = {name: value for name, value in headers.items() if not _is_raw(name, value)}
    extra: dict[str, Any] = {}
    if own:
        extra["extra_headers"] = own
    if options.params:
        extra["extra_query"] = dict(options.params)
    if _is_given(options.timeout):
        extra["timeout"] = options.timeout
    return Sending(client, _form(options), extra)


def named() -> tuple[Sending, _Seen] | None:
    """Remember what headers and query the original names with the request that it is sending."""
    if (original := sending()) is None:
        return None
    seen = _seen.setdefault(original.client, {}).setdefault(original.form, _Seen())
    if len(seen.asked) < _SORTS:
        seen.asked.add(original.named)
    return original, seen


def compared(request: Any) -> None:
    """Hold a request of the original against what would have been built in its place.

    That has the options of the last request of its client and method that was made ahead. Where
    the original has named those itself, it makes requests of several sorts: each is held against
    one with its own.
    """
    if (found := named()) is None:
        return
    original, seen = found
    if seen.reason or seen.extra is None:
        return
    sent = identity(tuple(request.headers.raw))
    if not (_names_cookies(original.extra) or _names_cookies(seen.extra)) and seen.renews(sent):
        seen.reason = "its cookies change with every reply: what is made ahead has old ones"
        return
    if sent == seen.sent:
        return
    extra = original.extra if _named(seen.extra) in seen.asked else seen.extra
    try:
        built = _built(original.client, original.form, json.loads(request.content), extra)
        authorised(original.client._client, built)
    except Exception as error:
        seen.reason = f"its requests cannot be built: {error!r}"
        return
    difference = _difference(sent, identity(tuple(built.headers.raw)))
    if address(built) != address(request):
        difference = ("address", *difference)
    if difference:
        names = ", ".join(difference)
        seen.reason = f"the original's requests differ from those of its SDK client in {names}"
    else:
        seen.sent = sent


_answered: weakref.WeakSet[Any] = weakref.WeakSet()
"""Clients by which the original has had a reply of success."""
_waiting: weakref.WeakKeyDictionary[Any, list[Callable[[], None]]] = weakref.WeakKeyDictionary()


def once_answered(client: Any, then: Callable[[], None]) -> None:
    """Have ``then`` called once the original has had a reply by this client, where it has it."""
    if client in _answered:
        then()
    else:
        _waiting.setdefault(client, []).append(then)


def answered() -> None:
    """The original has a reply of success to the request that it is sending."""
    sending = _sending.get()
    if sending is not None and sending[0] not in _answered:
        note_answered(sending[0])


def note_answered(client: Any) -> None:
    """The original has had a reply of success by this client."""
    _answered.add(client)
    for then in _waiting.pop(client, ()):
        try:
            then()
        except CannotBuildError:
            continue  # Then nothing is asked ahead either, which says why.


def _names_cookies(extra: Mapping[str, Any]) -> bool:
    return any(name.lower() == "cookie" for name in extra.get("extra_headers") or ())


def _cookies(headers: Headers) -> bytes:
    return b"; ".join(value for name, value in headers if name.lower() == b"cookie")


def _difference(one: Headers, other: Headers) -> tuple[str, ...]:
    names = {name for name, _ in set(one) ^ set(other)}
    return tuple(sorted(name.decode("latin-1") for name in names))


def _form(options: Any) -> Form:
    headers = options.headers if isinstance(options.headers, Mapping) else {}
    return Form(options.url, any(_is_raw(name, value) for name, value in headers.items()))


def _is_raw(name: str, value: Any) -> bool:
    """Whether a header is what ``with_raw_response`` adds; ``with_streaming_response`` differs."""
    return name.lower() == _RAW.lower() and value == "true"


def _request(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if current_scope() is None:
        return wrapped(*args, **kwargs)
    token = _sending.set((instance, args[1] if len(args) > 1 else kwargs.get("options")))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _sending.reset(token)


async def _arequest(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if current_scope() is None:
        return await wrapped(*args, **kwargs)
    token = _sending.set((instance, args[1] if len(args) > 1 else kwargs.get("options")))
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _sending.reset(token)


OPENAI: Final = Binding(
    name="clients of the OpenAI SDK",
    distribution="openai",
    tested=("1.109", "4"),
    targets=(
        Target("openai._base_client", "SyncAPIClient.request", _request),
        Target("openai._base_client", "AsyncAPIClient.request", _arequest),
    ),
)
