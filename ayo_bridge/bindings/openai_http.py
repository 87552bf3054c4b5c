"""The boundary of LLM servers: where httpx and httpx2 clients hand a request to the network.

The seam is ``handle_request`` of the libraries' HTTP transports, their documented lowest call.
Everything above it runs as it always does on every request of the original, whether its reply was
recorded ahead or comes from the server now: authentication flows, event hooks, redirects, cookies,
decoding, logging, ``elapsed``, and whoever else has wrapped the client (tracing). A reply enters
as status line, raw headers and raw bytes, exactly as from a connection.

Under a scope, every request that is for an engine is noted; those to registered endpoints may find
their reply recorded ahead (:mod:`ayo_bridge.bindings.endpoints`). Without one nothing is looked at.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.endpoints import (
    Addressed,
    addressed,
    register_endpoint,
    unregister_endpoint,
)
from ayo_bridge.bindings.http_client import transport_differs
from ayo_bridge.bindings.http_streams import streams_of
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.engines.openai_http.request import canonical_key
from ayo_bridge.seam import EngineCall, Learner, Scope, current_scope

__all__ = ["BINDINGS", "HTTPX", "HTTPX2", "register_endpoint", "unregister_endpoint"]


def _key(scope: Scope, call: Addressed, transport: Any, request: Any) -> Hashable:
    """The key of a request, or ``None`` if it cannot be equal to one made ahead."""
    if scope.quiet or not call.registered or transport_differs(transport) is not None:
        return None
    body = getattr(request, "_content", None)  # ``content`` raises for a body that streams.
    if not isinstance(body, bytes):
        return None
    try:
        return canonical_key(str(request.url), request.headers.get("authorization"), body)
    except ValueError:
        return None


def _learner(scope: Scope, call: Addressed) -> Learner | None:
    return scope.runtime.profiles if call.endpoint.completes else None


def _sync(
    library: str,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    request = args[0] if args else kwargs["request"]
    call = addressed(request, scope.runtime)
    if call is None:
        return wrapped(*args, **kwargs)
    streams, learn = streams_of(library), scope.runtime.profiles
    key = _key(scope, call, instance, request)
    ticket = scope.claim(key) if key is not None else None
    if ticket is not None:
        hit = ticket.wait()
        if hit is not None and isinstance(hit.value, Reply):
            return _response(streams.replayed, library, hit.value, ticket.record, learn)
    observation = scope.direct(call.engine, call.endpoint.kind, key, items=call.items)
    try:
        response = wrapped(*args, **kwargs)
    except BaseException as error:
        observation.failed(error)
        raise
    response.stream = streams.watched(response, observation, _learner(scope, call))
    return response


async def _async(
    library: str,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    scope = current_scope()
    if scope is None:
        return await wrapped(*args, **kwargs)
    request = args[0] if args else kwargs["request"]
    call = addressed(request, scope.runtime)
    if call is None:
        return await wrapped(*args, **kwargs)
    streams, learn = streams_of(library), scope.runtime.profiles
    key = _key(scope, call, instance, request) if _on_asyncio() else None
    ticket = scope.claim(key) if key is not None else None
    if ticket is not None:
        hit = await ticket.wait_async()
        if hit is not None and isinstance(hit.value, Reply):
            return _response(streams.async_replayed, library, hit.value, ticket.record, learn)
    observation = scope.direct(call.engine, call.endpoint.kind, key, items=call.items)
    try:
        response = await wrapped(*args, **kwargs)
    except BaseException as error:
        observation.failed(error)
        raise
    response.stream = streams.async_watched(response, observation, _learner(scope, call))
    return response


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # trio: tickets cannot be awaited there.
        return False
    return True


def _response(
    stream: type[Any], library: str, reply: Reply, record: EngineCall, learn: Learner
) -> Any:
    """A response of the client's own library, as its transport would have returned it."""
    return importlib.import_module(library).Response(
        status_code=reply.status,
        headers=list(reply.headers),
        stream=stream(reply, record, learn),
        extensions={"http_version": reply.http_version, "reason_phrase": reply.reason},
    )


def _binding(library: str, tested: tuple[str, str]) -> Binding:
    return Binding(
        name=f"LLM servers over {library}",
        distribution=library,
        tested=tested,
        targets=(
            Target(library, "HTTPTransport.handle_request", partial(_sync, library)),
            Target(library, "AsyncHTTPTransport.handle_async_request", partial(_async, library)),
        ),
    )


HTTPX = _binding("httpx", ("0.27", "1"))
HTTPX2 = _binding("httpx2", ("2", "3"))
BINDINGS = (HTTPX, HTTPX2)
"""One for each library; each is skipped where its library is not installed."""
