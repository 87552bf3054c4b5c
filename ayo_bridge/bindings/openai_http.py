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
from collections.abc import Callable
from functools import partial
from typing import Any

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.endpoints import addressed, register_endpoint, unregister_endpoint
from ayo_bridge.bindings.httpx_requests import HttpxAsked, HttpxExchange
from ayo_bridge.bindings.httpx_senders import asend, send
from ayo_bridge.seam import current_scope

__all__ = ["BINDINGS", "HTTPX", "HTTPX2", "register_endpoint", "unregister_endpoint"]


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
    asked = HttpxAsked(request, instance)
    call = addressed(asked, scope.runtime) if request.method == "POST" else None
    if call is None:
        scope.touches(f"{request.url.host} is asked over HTTP")
        return wrapped(*args, **kwargs)
    exchange = HttpxExchange(library, scope, call, asked)
    return exchange.run(lambda: wrapped(exchange.outgoing))


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
    asked = HttpxAsked(request, instance)
    call = addressed(asked, scope.runtime) if request.method == "POST" else None
    if call is None:
        scope.touches(f"{request.url.host} is asked over HTTP")
    if call is None or not _on_asyncio():  # trio: results cannot be awaited there.
        return await wrapped(*args, **kwargs)
    exchange = HttpxExchange(library, scope, call, asked)
    return await exchange.arun(lambda: wrapped(exchange.outgoing))


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _binding(library: str, tested: tuple[str, str]) -> Binding:
    return Binding(
        name=f"LLM servers over {library}",
        distribution=library,
        tested=tested,
        targets=(
            Target(library, "HTTPTransport.handle_request", partial(_sync, library)),
            Target(library, "AsyncHTTPTransport.handle_async_request", partial(_async, library)),
            Target(library, "Client.send", send),
            Target(library, "AsyncClient.send", asend),
        ),
    )


HTTPX = _binding("httpx", ("0.27", "1"))
HTTPX2 = _binding("httpx2", ("2", "3"))
BINDINGS = (HTTPX, HTTPX2)
"""One for each library; each is skipped where its library is not installed."""
