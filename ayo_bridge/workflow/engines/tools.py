"""Search engines and other tools: a function of one's own, or an API that takes JSON."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from ayo_bridge.engines.openai_http.connections import Connections
from ayo_bridge.engines.openai_http.reply import decoder
from ayo_bridge.engines.openai_http.tls import tls_context
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.workflow.requests import Lookup

_SHOWN = 500


class JsonApiError(AyoBridgeError):
    """An API has refused a request; ``status`` is the HTTP status."""

    def __init__(self, url: str, status: int, answer: str) -> None:
        super().__init__(f"{url} answered {status}: {answer[:_SHOWN]}")
        self.status = status


class Tool(AsyncEngine):
    """Serves :class:`Lookup` with a function; an :class:`~ayo_bridge.engines.AsyncEngine`.

    The function takes the values of the request. A coroutine function runs on the loop, and is
    cancelled with its query; any other in a thread of the loop's pool. ``limits`` are unbounded by
    default: a remote API takes any number of calls at once.
    """

    kind = EngineKind.SEARCH_API

    def __init__(
        self, name: str, function: Callable[..., object], *, limits: Limits | None = None
    ) -> None:
        self.name = name
        self.limits = limits or Limits(continuous=True)
        self._function = function

    async def serve(self, call: Call) -> object:
        """What the function returns."""
        values = lookup_of(call).values
        function, here = self._function, inspect.iscoroutinefunction(self._function)
        made = function(*values) if here else await asyncio.to_thread(function, *values)
        return await made if inspect.isawaitable(made) else made


class JsonApi(AsyncEngine):
    """Serves :class:`Lookup` by POSTing JSON; an :class:`~ayo_bridge.engines.AsyncEngine`.

    Cancelling closes the connection.

    Args:
        name: the engine's name, as components refer to it.
        url: where requests are sent.
        body: makes the JSON of a request's values, e.g. ``lambda question: {"q": question}``.
        results: takes the results out of the JSON of the reply.
        headers: of every request, e.g. a key.
        timeout: seconds until an API that sends nothing has failed.
    """

    kind = EngineKind.SEARCH_API

    def __init__(
        self,
        name: str,
        url: str,
        body: Callable[..., object],
        results: Callable[[Any], object] = lambda reply: reply,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.name = name
        self.url = url
        self.limits = Limits(continuous=True)
        self._body = body
        self._results = results
        sent = [
            *(headers or {}).items(),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip, deflate"),
        ]
        self._headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in sent]
        self._timeouts = {"connect": timeout, "read": timeout}
        self._connections: Connections | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, call: Call) -> object:
        """The results of the API.

        Raises:
            JsonApiError: it refuses the request.
            TransportError: it was not reached, or broke off.
        """
        asked = json.dumps(self._body(*lookup_of(call).values)).encode()
        response = await self._own().post(self.url, self._headers, asked, self._timeouts)
        try:
            raw = b"".join([chunk async for chunk in response.stream])
        finally:
            await response.stream.aclose()
        fields = {name.lower(): value for name, value in response.headers}
        decode = decoder(fields.get(b"content-encoding"))
        raw = raw if decode is None else decode(raw)
        if not 200 <= response.status < 300:
            raise JsonApiError(self.url, response.status, raw.decode("utf-8", "replace"))
        return self._results(json.loads(raw))

    async def aclose(self) -> None:
        """Close the connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()

    def after_fork(self) -> None:
        """Drop connections that a forked child shares with its parent, without closing them."""
        self._connections = None

    def _own(self) -> Connections:
        loop = asyncio.get_running_loop()
        if self._connections is None or self._loop is not loop:
            self._loop = loop
            self._connections = Connections(tls_context)
        return self._connections


def lookup_of(call: Call) -> Lookup:
    """The request of a call.

    Raises:
        TypeError: it was made for another engine.
    """
    if not isinstance(call.payload, Lookup):
        raise TypeError(f"{call.engine!r} serves Lookup, not {type(call.payload).__name__}")
    return call.payload
