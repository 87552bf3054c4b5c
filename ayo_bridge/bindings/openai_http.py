"""The boundary of LLM servers: where httpx and httpx2 clients hand a request to the network.

The seam is ``handle_request`` of the libraries' HTTP transports, their documented lowest call.
Everything above it runs as it always does on every request of the original, whether its reply was
recorded ahead or comes from the server now: authentication flows, event hooks, redirects, cookies,
decoding, logging, ``elapsed``, and whoever else has wrapped the client (tracing). A reply enters
as status line, raw headers and raw bytes, exactly as from a connection.

Only registered endpoints are looked at, and only in a scope.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from functools import lru_cache, partial
from time import perf_counter
from types import ModuleType
from typing import Any

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.http_client import transport_differs
from ayo_bridge.engines.openai_http.reply import (
    Body,
    Reply,
    ReplyAbandonedError,
    usage_of,
)
from ayo_bridge.engines.openai_http.request import canonical_key, normalised_url
from ayo_bridge.seam import EngineCall, EngineKind, Learner, Observation, current_scope

_MOST_SEEN = 1024
_FEW = 8
"""So many pieces of a reply may be kept until somebody asks for its tokens."""
_PATHS = ("/chat/completions", "/completions")

_endpoints: dict[str, str] = {}
_seen: dict[Hashable, str | None] = {}
_lock = threading.Lock()


def register_endpoint(base_url: str, engine: str) -> None:
    """Have requests to ``{base_url}/chat/completions`` and ``/completions`` looked at.

    ``engine`` is the name of the engine they belong to. Others of this host pass through.
    """
    with _lock:
        for path in _PATHS:
            _endpoints[normalised_url(base_url.rstrip("/") + path)] = engine
        _seen.clear()


def unregister_endpoint(base_url: str) -> None:
    """Let all requests to this server pass through again."""
    with _lock:
        for path in _PATHS:
            _endpoints.pop(normalised_url(base_url.rstrip("/") + path), None)
        _seen.clear()


def _looked_up(url: str, parts: Hashable) -> str | None:
    with _lock:
        engine = _endpoints.get(normalised_url(url).partition("?")[0])
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        if parts is not None:
            _seen[parts] = engine
    return engine


def _engine(request: Any) -> str | None:
    """The engine of a request to a registered endpoint; ``None`` for every other."""
    if request.method != "POST":
        return None
    url = request.url
    # Its parts, a tuple, are looked up in a tenth of the time that putting them together takes.
    parts = getattr(url, "_uri_reference", None)
    try:
        engine = _seen[parts]
    except KeyError:
        engine = _looked_up(str(url), parts)
    return engine


def _key(request: Any) -> Hashable:
    """The key of a request to an LLM, or ``None`` if it cannot be equal to one of ours."""
    body = getattr(request, "_content", None)  # ``content`` raises for a body that streams.
    if not isinstance(body, bytes):
        return None
    try:
        return canonical_key(str(request.url), request.headers.get("authorization"), body)
    except ValueError:
        return None


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
    engine = _engine(request)
    if engine is None or (not scope.quiet and transport_differs(instance) is not None):
        return wrapped(*args, **kwargs)
    learn = scope.runtime.profiles
    key = None if scope.quiet else _key(request)
    ticket = scope.claim(key) if key is not None else None
    if ticket is not None:
        hit = ticket.wait()
        if hit is not None and isinstance(hit.value, Reply):
            return _replayed(_parts(library).replay, library, hit.value, ticket.record, learn)
    observation = scope.direct(engine, EngineKind.LLM, key)
    try:
        response = wrapped(*args, **kwargs)
    except BaseException as error:
        observation.failed(error)
        raise
    response.stream = _parts(library).watched(response, observation, learn)
    return response


async def _async(
    library: str,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    scope = current_scope()
    if scope is None or not _on_asyncio():
        return await wrapped(*args, **kwargs)
    request = args[0] if args else kwargs["request"]
    engine = _engine(request)
    if engine is None or (not scope.quiet and transport_differs(instance) is not None):
        return await wrapped(*args, **kwargs)
    learn = scope.runtime.profiles
    key = None if scope.quiet else _key(request)
    ticket = scope.claim(key) if key is not None else None
    if ticket is not None:
        hit = await ticket.wait_async()
        if hit is not None and isinstance(hit.value, Reply):
            return _replayed(_parts(library).async_replay, library, hit.value, ticket.record, learn)
    observation = scope.direct(engine, EngineKind.LLM, key)
    try:
        response = await wrapped(*args, **kwargs)
    except BaseException as error:
        observation.failed(error)
        raise
    response.stream = _parts(library).async_watched(response, observation, learn)
    return response


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # trio: tickets cannot be awaited there.
        return False
    return True


def _replayed(
    stream: type[Any], library: str, reply: Reply, record: EngineCall, learn: Learner
) -> Any:
    """A response of the client's own library, as its transport would have returned it."""
    return importlib.import_module(library).Response(
        status_code=reply.status,
        headers=list(reply.headers),
        stream=stream(reply, record, learn),
        extensions={"http_version": reply.http_version, "reason_phrase": reply.reason},
    )


class _Player:
    """Keeps the record of a reply that is replayed, which may happen while it arrives."""

    def __init__(self, reply: Reply, record: EngineCall, learn: Learner) -> None:
        self.reply = reply
        self.record = record
        self._learn: Learner | None = learn

    def closed(self) -> None:
        """Fill in what is known only now, and stop the engine if it is still at it."""
        learn, self._learn = self._learn, None
        if learn is not None:
            record, usage = self.record, self.reply.usage()
            if record.started is not None:
                record.ended = max(record.ended or 0.0, record.started + self.reply.elapsed)
            if usage is not None:
                record.tokens = usage
                learn.observe(record)
        self.reply.abandon()


class _Watch:
    """Notes what passes by in a direct reply, and tells its observation at the end."""

    def __init__(self, response: Any, observation: Observation, learn: Learner) -> None:
        self.stream = response.stream
        self._status: int = response.status_code
        self._headers = response.headers
        self._extensions = response.extensions
        self._observation: Observation | None = observation
        self._learn = learn
        self.chunks: list[bytes] = []

    def _reply(self) -> Reply:
        return Reply(
            self._status,
            tuple(self._headers.raw),
            Body(self.chunks, ended=True),
            reason=self._extensions.get("reason_phrase", b""),
            http_version=self._extensions.get("http_version", b"HTTP/1.1"),
        )

    def done(self) -> None:
        observation, self._observation = self._observation, None
        if observation is None:
            return
        record = observation.record
        observation.done(self._reply() if observation.wanted else None)
        if self._status >= 300:
            return
        headers, chunks = self._headers, self.chunks
        record.usage = lambda: usage_of(headers.raw, chunks)
        if len(self.chunks) > _FEW or self._learn.due(record.engine):
            self._learn.observe(record)

    def failed(self, error: BaseException) -> None:
        observation, self._observation = self._observation, None
        if observation is not None:
            observation.failed(error)

    def closed(self) -> None:
        """Closed before it was read to its end, so that there is no result.

        The SDK closes a stream at its last event: that is the end.
        """
        if self._observation is None:
            return
        if self._reply().said_done():
            self.done()
        else:
            self.failed(ReplyAbandonedError("the reader closed the reply before its end"))


class _Parts:
    """Byte streams of one library; its clients insist on their own base classes."""

    def __init__(self, library: ModuleType) -> None:
        base: Any = library.SyncByteStream
        async_base: Any = library.AsyncByteStream

        def of_library(error: Exception) -> Exception:
            kind = getattr(library, type(error).__name__, library.ReadError)
            mapped: Exception = kind(str(error))
            return mapped

        class Replay(_Player, base):  # type: ignore[misc]
            def __iter__(self) -> Iterator[bytes]:
                chunks = iter(self.reply.body)
                while True:
                    start = perf_counter()
                    try:
                        chunk = next(chunks, None)
                    except Exception as error:
                        raise of_library(error) from error.__cause__ or error
                    self.record.waited += perf_counter() - start
                    if chunk is None:
                        return
                    yield chunk

            def close(self) -> None:
                self.closed()

        class AsyncReplay(_Player, async_base):  # type: ignore[misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                chunks = aiter(self.reply.body)
                while True:
                    start = perf_counter()
                    try:
                        chunk = await anext(chunks, None)
                    except Exception as error:
                        raise of_library(error) from error.__cause__ or error
                    self.record.waited += perf_counter() - start
                    if chunk is None:
                        return
                    yield chunk

            async def aclose(self) -> None:
                self.closed()

        class Watched(_Watch, base):  # type: ignore[misc]
            def __iter__(self) -> Iterator[bytes]:
                try:
                    for chunk in self.stream:
                        self.chunks.append(chunk)
                        yield chunk
                except Exception as error:
                    self.failed(error)
                    raise
                self.done()

            def close(self) -> None:
                try:
                    self.stream.close()
                finally:
                    self.closed()

        class AsyncWatched(_Watch, async_base):  # type: ignore[misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                try:
                    async for chunk in self.stream:
                        self.chunks.append(chunk)
                        yield chunk
                except Exception as error:
                    self.failed(error)
                    raise
                self.done()

            async def aclose(self) -> None:
                try:
                    await self.stream.aclose()
                finally:
                    self.closed()

        self.replay = Replay
        self.async_replay = AsyncReplay
        self.watched = Watched
        self.async_watched = AsyncWatched


@lru_cache(maxsize=2)
def _parts(library: str) -> _Parts:
    return _Parts(importlib.import_module(library))


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
