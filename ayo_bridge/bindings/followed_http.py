"""Requests to LLM and embedding servers, as the follower of a scope sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from ayo_bridge.bindings import key_order, token_arrays
from ayo_bridge.bindings.async_library import running_library, seeing
from ayo_bridge.bindings.completions import cut_prompt, shows_prefix_cache
from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.followed_plain import plain_call, when_complete
from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.bindings.openai_sdk import Form, Sending, build, sending
from ayo_bridge.engines.dialects import CHAT, COMPLETIONS, EMBEDDINGS
from ayo_bridge.engines.launched import is_launched
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, make_call
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.rebuild import refusal
from ayo_bridge.engines.openai_http.request import marked_warm, warm_body
from ayo_bridge.engines.openai_http.said import answer_by
from ayo_bridge.seam import BoundaryCall, Call, EngineKind, Fields, Told

_OF_THE_SDK: Final = (CHAT, COMPLETIONS, EMBEDDINGS)
"""What its client asks is built by that client."""
_ENCODING: Final = "tokens by"
"""What a followed request has beside its body where texts stand for arrays of tokens."""


def boundary_call(call: Addressed, asked: Asked, *, priority: bool = False) -> BoundaryCall | None:
    """The call that an HTTP request makes; ``None``: it is not followed.

    ``priority``: whether the servers are said to take priorities.
    """
    dialect, content = call.endpoint.dialect, asked.content
    if dialect.answer is None or content is None:
        return None
    sent = sending()
    try:
        body = json.loads(content)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    if sent is None or dialect not in _OF_THE_SDK:
        return plain_call(call, asked, body) if dialect.any_client else None
    if call.endpoint.kind is EngineKind.LLM:
        return _as_sent_here(_completion(call, sent, body, priority))
    return _as_sent_here(_embedding(call, sent, body))


def _as_sent_here(call: BoundaryCall) -> BoundaryCall:
    """The call, made ahead as by a client that sees the same asynchronous library as here."""
    library = running_library()
    return replace(
        call,
        remake=None if call.remake is None else seeing(library, call.remake),
        warm=None if call.warm is None else seeing(library, call.warm),
        manner=(call.manner, library),
    )


def _completion(
    call: Addressed, sent: Sending, body: dict[str, Any], priority: bool
) -> BoundaryCall:
    key_order.saw(sent.client, (call.engine, sent.form), body)
    dialect = call.endpoint.dialect
    fields = {name: value for name, value in body.items() if name not in dialect.delivery}
    delivery = {name: value for name, value in body.items() if name in dialect.delivery}
    pure = dialect.pure(body)
    # Without the client: whoever follows holds that weakly.
    remake = partial(_remade, call, sent.form, delivery, sent.extra)
    return BoundaryCall(
        kind="llm",
        owner=sent.client,
        request=lambda: fields,
        answer=partial(answer_by, dialect, fields),
        remake=remake if pure else None,
        warm=partial(_warmed, call, sent.form, sent.extra, body, priority) if pure else None,
        shows_prefix_cache=shows_prefix_cache,
        manner=(call.engine, sent.manner, json.dumps(delivery, sort_keys=True)),
        named=sent.named,
        engine=call.engine,
        server=call.endpoint.server,
        when_complete=when_complete,
        streams=bool(delivery.get("stream")),
        grows=_growing if delivery.get("stream") or refusal(body) is None else None,
    )


def _growing(call: Call, told: Told) -> Call:
    """The call with its answer told as it grows, by the stream of which its reply can be made."""
    request = call.payload
    if not isinstance(request, LLMRequest):
        return call
    delivery = request.delivery
    if delivery is Delivery.PLAIN:
        delivery = Delivery.REBUILD
    return replace(call, payload=replace(request, delivery=delivery, on_text=told))


def _embedding(call: Addressed, sent: Sending, body: dict[str, Any]) -> BoundaryCall:
    """Texts, or arrays of tokens that are known to stand for texts, are predicted.

    Others are only followed, for the sake of the vectors.
    """
    key_order.saw(sent.client, (call.engine, sent.form), body)
    fields, known = _in_words(body)
    return BoundaryCall(
        kind="embedding",
        owner=sent.client,
        request=lambda: fields,
        answer=partial(answer_by, call.endpoint.dialect, fields),
        remake=partial(_embedded, call, sent.form, sent.extra) if known else None,
        manner=(call.engine, sent.manner),
        named=sent.named,
        engine=call.engine,
        server=call.endpoint.server,
        when_complete=when_complete,
    )


def _in_words(body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """What is to be embedded as texts, and whether that says all; else a digest of it."""
    asked = body.get("input")
    if _are_texts(asked):
        return body, True
    rows = asked if isinstance(asked, list) and asked and isinstance(asked[0], list) else None
    encoding = token_arrays.encoding_of(body.get("model"))
    if rows is not None and encoding:
        texts = token_arrays.decoded(encoding, rows)
        if texts is not None:
            return {**body, "input": texts, _ENCODING: encoding}, True
    digest = blake2b(json.dumps(asked).encode(), digest_size=16).hexdigest()
    return {**body, "input": f"tokens:{digest}"}, False


def _are_texts(asked: Any) -> bool:
    return isinstance(asked, str) or (
        isinstance(asked, list) and bool(asked) and all(isinstance(text, str) for text in asked)
    )


def _embedded(
    call: Addressed, form: Form, extra: Mapping[str, Any], client: Any, fields: Fields
) -> Call:
    """The call of ``client`` for other texts.

    Raises:
        ValueError: it cannot be made ahead as the client would send it.
    """
    asked = fields.get("input")
    if not _are_texts(asked):
        raise ValueError("what is to be embedded is no text")
    body, items = dict(fields), len(asked) if isinstance(asked, list) else 1
    if (encoding := body.pop(_ENCODING, None)) is not None:
        body["input"] = token_arrays.encoded(str(encoding), list(asked or ()))
    made = make_call(call.engine, _built(call, form, body, extra, client))
    return replace(made, items=items, deterministic=True)


def _remade(
    call: Addressed,
    form: Form,
    delivery: Mapping[str, Any],
    extra: Mapping[str, Any],
    client: Any,
    fields: Fields,
) -> Call:
    """The call of ``client`` for other values.

    Raises:
        ValueError: it cannot be made ahead as the client would send it.
    """
    request = _built(call, form, {**fields, **delivery}, extra, client)
    if delivery.get("stream"):
        request = replace(request, delivery=Delivery.REPLAY_STREAM)
    return make_call(call.engine, request)


def _warmed(
    call: Addressed,
    form: Form,
    extra: Mapping[str, Any],
    body: Mapping[str, Any],
    priority: bool,
    client: Any,
    beginning: str,
) -> Call:
    """The prefix warm of ``client`` for a request that begins so; ``body`` is one of its kind.

    Raises:
        ValueError: there is no prompt in it, or the client would not send it so.
    """
    prompt = cut_prompt(beginning, body)
    taken = priority or is_launched(call.endpoint.base_url)
    cut = warm_body({**body, **prompt}, priority=taken)
    request = build(client, form, {**cut, **extra}, keep_order=True)
    if origin(request.url) != call.endpoint.server:
        raise ValueError("its client sends to another server by now")
    return marked_warm(call.engine, request)


def _built(
    call: Addressed, form: Form, body: Mapping[str, Any], extra: Mapping[str, Any], client: Any
) -> LLMRequest:
    """A request of ``client``, to the byte as it would send it.

    Raises:
        ValueError: that is not certain, or it is somewhere else by now.
    """
    ordered = key_order.arranged(client, (call.engine, form), body)
    request = build(client, form, {**ordered, **extra}, keep_order=True)
    if origin(request.url) != call.endpoint.server:
        raise ValueError("its client sends to another server by now")
    return request
