"""Requests of httpx and httpx2 where their clients hand them to the network, and back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable
from typing import Any, Final

from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.http_client import transport_way
from ayo_bridge.bindings.http_exchange import Exchange
from ayo_bridge.bindings.http_replies import Head, Player, Watch
from ayo_bridge.bindings.http_requests import address
from ayo_bridge.bindings.http_senders import Sender
from ayo_bridge.bindings.http_streams import streams_of
from ayo_bridge.bindings.httpx_senders import sender_of
from ayo_bridge.bindings.openai_sdk import compared, named
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.sent import patient, with_length
from ayo_bridge.engines.openai_http.way import Way
from ayo_bridge.seam import Scope, Sending


class HttpxAsked:
    """A request that a transport is asked to send."""

    __slots__ = ("_transport", "request")

    def __init__(self, request: Any, transport: Any) -> None:
        self.request = request
        self._transport = transport

    @property
    def place(self) -> Hashable:
        """The parts of its address, a tuple: ten times as quick as putting them together."""
        place: Hashable = getattr(self.request.url, "_uri_reference", None)
        return place

    @property
    def url(self) -> str:
        """Where it goes, without user info: the client makes that a header."""
        return address(self.request)

    @property
    def content(self) -> bytes | None:
        """Its body; ``None``: that streams."""
        # ``content`` raises for a body that streams.
        content = getattr(self.request, "_content", None)
        return content if isinstance(content, bytes) else None

    @property
    def connect(self) -> float | None:
        """Seconds that a connection may take."""
        return self._timeout("connect")

    @property
    def read(self) -> float | None:
        """Seconds of silence after which the library gives up."""
        return self._timeout("read")

    def _timeout(self, name: str) -> float | None:
        seconds: float | None = self.request.extensions.get("timeout", {}).get(name)
        return seconds

    def agent(self) -> str:
        """Its ``User-Agent``."""
        agent: str = self.request.headers.get("user-agent", "")
        return agent

    def headers(self) -> Headers:
        """As they stand on the wire."""
        return tuple(self.request.headers.raw)

    def way(self) -> Way | str:
        """How it leaves; a string is the reason why requests of ours cannot leave alike."""
        return transport_way(self._transport, self.request.url.scheme == "https")

    def sender(self) -> Sender | str:
        """By whom it is sent; a string is why nobody could send another one so."""
        return sender_of(self.request)


_UNREACHED: Final = (
    *("ConnectError", "ConnectTimeout", "ReadError", "WriteError", "RemoteProtocolError"),
)
"""What transports raise before the head of a reply has come, where none will."""


def _patient(extensions: dict[str, Any], sending: Sending) -> dict[str, Any]:
    """What a request is sent with: a replica is left for another before the client gives up."""
    timeout = extensions.get("timeout", {})
    return {
        **extensions,
        "timeout": {**timeout, "connect": patient(sending, timeout.get("connect"))},
    }


class HttpxExchange(Exchange):
    """One request of httpx or httpx2, named by ``library``.

    ``outgoing`` is what the transport is to send: the request, or one like it to a replica. Its
    client never sees that one.
    """

    def __init__(self, library: str, scope: Scope, call: Addressed, asked: HttpxAsked) -> None:
        super().__init__(scope, call, asked)
        self._library = library
        self._request = self.outgoing = asked.request

    def _stays(self) -> str | None:
        return None

    def _goes(self, sending: Sending | None) -> None:
        request = self.outgoing = self._request
        if sending is None:
            return
        there = address(request)
        url, given = sending.url(there), tuple(request.headers.raw)
        content = self._asked.content or b""
        body = sending.content(content)
        headers = sending.headers(with_length(given, body))
        if url != there or headers is not given:
            self.outgoing = importlib.import_module(self._library).Request(
                request.method,
                url,
                headers=list(headers),
                **({"stream": request.stream} if body is content else {"content": body}),
                extensions=_patient(request.extensions, sending),
            )

    def _unreached(self, error: Exception) -> bool:
        library = importlib.import_module(self._library)
        return isinstance(error, tuple(getattr(library, name) for name in _UNREACHED))

    def _note_names(self) -> None:
        named()

    def _compare(self) -> None:
        compared(self._request)

    def _shorten(self, waited: float) -> None:
        extensions = self._request.extensions
        timeout = extensions.get("timeout")
        if timeout:
            left = {
                name: seconds if seconds is None else max(seconds - waited, 0.001)
                for name, seconds in timeout.items()
            }
            self._request.extensions = {**extensions, "timeout": left}

    def _timed_out(self, awaited: bool) -> Exception:
        """What the client's own transport raises (httpcore 1: its texts differ)."""
        error: Exception = importlib.import_module(self._library).ReadTimeout(
            "" if awaited else "timed out"
        )
        return error

    def _status(self, response: Any) -> int:
        status: int = response.status_code
        return status

    def _head(self, response: Any) -> Head:
        said = response.extensions
        return Head(
            *(response.status_code, response.headers.raw),
            *(said.get("reason_phrase", b""), said.get("http_version", b"HTTP/1.1")),
        )

    def _watched(self, response: Any, watch: Watch, awaited: bool) -> Any:
        streams = streams_of(self._library)
        watched = streams.async_watched if awaited else streams.watched
        response.stream = watched(response.stream, watch)
        return response

    def _replayed(self, player: Player) -> Any:
        return self._response(player, streams_of(self._library).replayed)

    async def _areplayed(self, player: Player) -> Any:
        return self._response(player, streams_of(self._library).async_replayed)

    def _response(self, player: Player, stream: Callable[[Player], Any]) -> Any:
        reply = player.reply
        return importlib.import_module(self._library).Response(
            status_code=reply.status,
            headers=list(reply.headers),
            stream=stream(player),
            extensions={"http_version": reply.http_version, "reason_phrase": reply.reason},
        )

    def _give_back(self, response: Any) -> None:
        response.close()

    async def _agive_back(self, response: Any) -> None:
        await response.aclose()
