"""Requests to LLM servers, as the follower of a scope sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.openai_sdk import Form, build, sending
from ayo_bridge.engines.openai_http import make_call
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.seam import Answer, AskedTool, BoundaryCall, Call, Fields

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
    if not isinstance(body, dict):
        return None
    fields = {name: value for name, value in body.items() if name not in _DELIVERY}
    rest = {name: value for name, value in body.items() if name == "priority"}
    # Without the client: whoever follows holds that weakly.
    remake = partial(_remade, call, sent.form, {**rest, **sent.extra})
    ahead = not (body.get("stream") or _works_elsewhere(body))
    return BoundaryCall(
        kind="llm",
        owner=sent.client,
        request=lambda: fields,
        answer=answer_of,
        remake=remake if ahead else None,
        manner=(call.engine, sent.manner, tuple(rest.items())),
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
    call: Addressed, form: Form, extra: Mapping[str, Any], client: Any, fields: Fields
) -> Call:
    """The call of ``client`` for other values.

    Raises:
        ValueError: it cannot be made ahead as the client would send it.
    """
    request = build(client, form, {**fields, **extra})
    if origin(request.url) != call.endpoint.server:
        raise ValueError("its client sends to another server by now")
    return make_call(call.engine, request)


def _when_complete(result: Any, then: Callable[[], None]) -> None:
    if isinstance(result, Reply):
        result.body.on_end(then)


def answer_of(result: Any) -> Answer:
    """Text and tool calls of a plain reply's first choice.

    Raises:
        ValueError: it is no reply of success, or has no such form.
    """
    if not isinstance(result, Reply) or not result.ok:
        raise ValueError("no reply of success")
    if (result.header(b"content-type") or b"").startswith(b"text/event-stream"):
        return Answer(text=_text(result))
    try:
        choice = result.json()["choices"][0]
        message = choice.get("message")
        if message is None:
            return Answer(text=choice["text"])
        tools = tuple(
            AskedTool(str(tool["id"]), tool["function"]["name"], tool["function"]["arguments"])
            for tool in message.get("tool_calls") or ()
        )
        return Answer(text=message.get("content"), tools=tools)
    except (UnreadableReplyError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"a reply of an unknown form: {error!r}") from error


def _text(reply: Reply) -> str:
    try:
        return reply.text()
    except UnreadableReplyError as error:
        raise ValueError(str(error)) from error


__all__ = ["answer_of", "boundary_call"]
