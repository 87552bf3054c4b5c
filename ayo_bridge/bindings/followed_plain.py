"""Requests of plain HTTP clients, as the follower of a scope sees them: what their rows say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings import key_order
from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.bindings.http_senders import LeftAlone, Sender, left_alone
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, make_call
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.engines.openai_http.said import answer_by
from ayo_bridge.seam import BoundaryCall, Call, Dialect, EngineKind, Fields, Told

KINDS: Final = {
    EngineKind.LLM: "llm",
    EngineKind.EMBEDDING: "embedding",
    EngineKind.RERANKER: "rerank",
    EngineKind.SEARCH_API: "api",
}
"""What a call to an engine is to who follows it."""


def plain_call(call: Addressed, asked: Asked, body: dict[str, Any]) -> BoundaryCall | None:
    """The call that a plain client makes by a request; ``None``: it is not followed."""
    if call.endpoint.kind not in KINDS:
        return None
    found, dialect = asked.sender(), call.endpoint.dialect
    # Who is left alone is followed all the same: what is answered is known to what comes after.
    sender = left_alone(call.engine, found) if isinstance(found, str) else found
    key_order.saw(sender, call.engine, body)
    fields = {name: value for name, value in body.items() if name not in dialect.delivery}
    delivery = {name: value for name, value in body.items() if name in dialect.delivery}
    streams = bool(body.get("stream", dialect.streams_unless_told))
    url = asked.url
    alike = dialect.pure(body) and says_delivery(dialect, body)
    growing = partial(_growing, dialect) if streams and dialect.piece is not None else None
    return BoundaryCall(
        kind=KINDS[call.endpoint.kind],
        owner=sender,
        request=lambda: fields,
        answer=partial(answer_by, dialect, fields),
        remake=partial(_remade, call, url, delivery) if alike else None,
        manner=(call.engine, url, json.dumps(delivery, sort_keys=True)),
        engine=call.engine,
        server=call.endpoint.server,
        anybodys=dialect.anybodys,
        when_complete=when_complete,
        streams=streams,
        grows=growing,
    )


def says_delivery(dialect: Dialect, body: Mapping[str, Any]) -> bool:
    """Whether a request says in which form its reply comes, where that makes a difference."""
    return not dialect.streams_unless_told or isinstance(body.get("stream"), bool)


def _remade(
    call: Addressed,
    url: str,
    delivery: Mapping[str, Any],
    sender: Sender | LeftAlone,
    fields: Fields,
) -> Call:
    """The call of ``sender`` for other values.

    Raises:
        ValueError: it cannot be made ahead as its client would send it.
    """
    body = key_order.arranged(sender, call.engine, {**fields, **delivery})
    request = replace(sender.request(url, body), asked=fields)
    if delivery.get("stream"):
        request = replace(request, delivery=Delivery.REPLAY_STREAM)
    dialect = call.endpoint.dialect
    made = make_call(call.engine, request)
    return replace(made, items=dialect.items(fields), deterministic=dialect.deterministic)


def _growing(dialect: Dialect, call: Call, told: Told) -> Call:
    """The call of a stream with its answer told as it grows."""
    request = call.payload
    if not isinstance(request, LLMRequest):
        return call
    return replace(call, payload=replace(request, on_text=told, piece=dialect.piece))


def when_complete(result: Any, then: Callable[[], None]) -> None:
    """Have something called once a reply has come to its end."""
    if isinstance(result, Reply):
        result.body.on_end(then)
