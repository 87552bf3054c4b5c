"""Sends a request of ours: to its address, or to one replica after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ayo_bridge.engines.openai_http.connections import Connections, Response
from ayo_bridge.engines.openai_http.errors import BUSY, ReadTimeout, TransportError
from ayo_bridge.engines.openai_http.reply import Body, usage_of
from ayo_bridge.engines.openai_http.request import MARK, Headers, LLMRequest
from ayo_bridge.seam import Routes, Sending

UNWELL: Final = 500
"""What a server says from here on that has failed, and not for the request's sake."""
_CONNECT: Final = 2.0
"""Seconds in which a replica is to take a connection, while there is another one."""
_LENGTH: Final = b"content-length"
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

    A replica that was not reached, or hung up before it replied, or refuses, is left for the next.


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
    warm, foreseen = _WARM in request.headers, request.foreseen
    sending = routes.sending(server, content, tuple(headers), warm=warm, foreseen=foreseen)
    if sending is None:
        response = await connections.post(request.url, headers, content, timeouts, request.way)
        return response, None
    try:
        while True:
            body = sending.content(content)
            url, own = sending.url(request.url), sending.headers(with_length(tuple(headers), body))
            patience = {**timeouts, "connect": patient(sending, request.connect)}
            try:
                response = await connections.post(url, own, body, patience, request.way)
            except TransportError as error:
                if isinstance(error, ReadTimeout) or not sending.fails():
                    raise
                continue
            if not sending.refuses(response.status) or not sending.fails(
                rests(response.status, response.headers)
            ):
                return response, sending
            await response.stream.aclose()
    except BaseException:
        sending.drops()
        raise


def with_length(headers: Headers, content: bytes) -> Headers:
    """Headers, of which the one that says how long the body is may be another one's."""
    length = b"%d" % len(content)
    if all(value == length for name, value in headers if name.lower() == _LENGTH):
        return headers
    return tuple((name, length if name.lower() == _LENGTH else value) for name, value in headers)


def rests(status: int, headers: Sequence[tuple[bytes, bytes]]) -> float | None:
    """For how many seconds a replica is to be left that refuses so; ``None``: it has failed."""
    return retry_after(headers) if status in BUSY else None


def patient(sending: Sending, connect: float | None) -> float | None:
    """Seconds that a connection may take, for which a client would wait so long."""
    if sending.own:
        return connect
    return _CONNECT if connect is None else min(connect, _CONNECT)


def told(sending: Sending, status: int, headers: Headers, body: Body) -> None:
    """Have a sending hear of the end of its reply."""

    def over() -> None:
        if isinstance(body.error, TransportError) and not isinstance(body.error, ReadTimeout):
            sending.breaks()
        elif body.error is not None:
            sending.drops()
        elif status >= UNWELL:
            sending.breaks()
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


__all__ = ["UNWELL", "patient", "rests", "retry_after", "sent", "told", "with_length"]
