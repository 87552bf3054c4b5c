"""Requests to LLM servers, as the follower of a scope sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings import key_order
from ayo_bridge.bindings.completions import answer_of
from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.openai_sdk import Form, Sending, build, sending
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, make_call
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.seam import BoundaryCall, Call, Fields

_DELIVERY: Final = ("stream", "stream_options", "priority")


def boundary_call(call: Addressed, request: Any) -> BoundaryCall | None:
    """The call that an HTTP request of an SDK client makes; ``None``: it is not followed."""
    sent, content = sending(), getattr(request, "_content", None)
    if sent is None or not call.endpoint.completes or not isinstance(content, bytes):
        return None
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return _completion(call, sent, body) if isinstance(body, dict) else None


def _completion(call: Addressed, sent: Sending, body: dict[str, Any]) -> BoundaryCall:
    key_order.saw(sent.client, (call.engine, sent.form), body)
    fields = {name: value for name, value in body.items() if name not in _DELIVERY}
    delivery = {name: value for name, value in body.items() if name in _DELIVERY}
    # Without the client: whoever follows holds that weakly.
    remake = partial(_remade, call, sent.form, delivery, sent.extra)
    return BoundaryCall(
        kind="llm",
        owner=sent.client,
        request=lambda: fields,
        answer=answer_of,
        remake=None if _works_elsewhere(body) else remake,
        manner=(call.engine, sent.manner, json.dumps(delivery, sort_keys=True)),
        engine=call.engine,
        server=call.endpoint.server,
        when_complete=_when_complete,
    )


def _works_elsewhere(body: Mapping[str, Any]) -> bool:
    """Whether the server itself calls tools, which may change something."""
    tools = body.get("tools") or ()
    return "web_search_options" in body or any(
        not isinstance(tool, dict) or tool.get("type") != "function" for tool in tools
    )


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


def _when_complete(result: Any, then: Callable[[], None]) -> None:
    if isinstance(result, Reply):
        result.body.on_end(then)


__all__ = ["answer_of", "boundary_call"]
