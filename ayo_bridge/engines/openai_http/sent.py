"""Sends a request of ours: to its address, or to one replica after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ayo_bridge.engines.openai_http.connections import Connections, Response
from ayo_bridge.engines.openai_http.errors import ReadTimeout, TransportError
from ayo_bridge.engines.openai_http.reply import Body, usage_of
from ayo_bridge.engines.openai_http.request import MARK, Headers, LLMRequest
from ayo_bridge.seam import Routes, Sending

DRAINS: Final = 503
"""What a server says that takes nothing more, or not now."""
_WARM: Final = (MARK, b"warm")


async def sent(
    connections: Connections,
    request: LLMRequest,
    headers: Sequence[tuple[bytes, bytes]],
    content: bytes,
    routes: Routes | None,
    server: str,
) -> tuple[Response, Sending | None]:
    """Send a request; returns once the headers of its reply are there.

    A replica that was not reached, or hung up before it replied, or says that it takes nothing
    more, is left for the next.

    Args:
        connections: by which it leaves.
        request: where it goes and which way.
        headers: with which.
        content: its body.
        routes: the replicas of its engine.
        server: ``host:port`` that it was made for.

    Raises:
        TransportError: there was no reply.
    """
    timeouts = {"connect": request.connect, "read": request.read}
    if routes is None:
        response = await connections.post(request.url, headers, content, timeouts, request.way)
        return response, None
    sending = routes.sending(server, content, warm=_WARM in request.headers)
    try:
        while True:
            url, own = sending.url(request.url), sending.headers(tuple(headers))
            try:
                response = await connections.post(url, own, content, timeouts, request.way)
            except TransportError as error:
                if isinstance(error, ReadTimeout) or not sending.fails():
                    raise
                continue
            if response.status != DRAINS or not sending.fails(retry_after(response.headers)):
                return response, sending
            await response.stream.aclose()
    except BaseException:
        sending.drops()
        raise


def told(sending: Sending, headers: Headers, body: Body) -> None:
    """Have a sending hear of the end of its reply."""

    def over() -> None:
        if body.error is not None:
            sending.drops()
        else:
            first = None if body.first is None else body.first - body.started
            sending.ends(usage_of(headers, [body.so_far()]), first)

    body.on_end(over)


def retry_after(headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Seconds that a refusal asks for; 0 where it says none, or a date."""
    said = (value for name, value in headers if name.lower() == b"retry-after")
    try:
        return max(0.0, float(next(said, b"0")))
    except ValueError:
        return 0.0


__all__ = ["DRAINS", "retry_after", "sent", "told"]
