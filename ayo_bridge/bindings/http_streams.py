"""The byte streams of replies, in the form that httpx and httpx2 insist on."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter
from types import ModuleType
from typing import Any

from ayo_bridge.bindings.http_replies import Player, Watch

ToLibrary = Callable[[Exception], Exception]


@dataclass(frozen=True, slots=True)
class Streams:
    """The classes of one library's streams.

    Those that replay are made of a :class:`Player`, the others of a stream and a :class:`Watch`.
    """

    replayed: type[Any]
    async_replayed: type[Any]
    watched: type[Any]
    async_watched: type[Any]


@lru_cache(maxsize=2)
def streams_of(library: str) -> Streams:
    """The streams of ``httpx`` or ``httpx2``; the clients insist on base classes of their own."""
    module = importlib.import_module(library)
    to_library = partial(_to_library, module)
    return Streams(
        _replayed(module.SyncByteStream, to_library),
        _async_replayed(module.AsyncByteStream, to_library),
        _watched(module.SyncByteStream),
        _async_watched(module.AsyncByteStream),
    )


def _to_library(library: ModuleType, error: Exception) -> Exception:
    kind = getattr(library, type(error).__name__, library.ReadError)
    mapped: Exception = kind(str(error))
    return mapped


def _replayed(base: Any, to_library: ToLibrary) -> type[Any]:
    class Replayed(base):  # type: ignore[misc]
        def __init__(self, player: Player) -> None:
            self._player = player

        def __iter__(self) -> Iterator[bytes]:
            chunks = self._player.chunks()
            while True:
                start = perf_counter()
                try:
                    chunk = next(chunks, None)
                except Exception as error:
                    if not self._player.raised(error):
                        raise
                    raise to_library(error) from error.__cause__ or error
                self._player.record.waited += perf_counter() - start
                if chunk is None:
                    return
                yield chunk

        def close(self) -> None:
            self._player.closed()

    return Replayed


def _async_replayed(base: Any, to_library: ToLibrary) -> type[Any]:
    class AsyncReplayed(base):  # type: ignore[misc]
        def __init__(self, player: Player) -> None:
            self._player = player

        async def __aiter__(self) -> AsyncIterator[bytes]:
            chunks = self._player.achunks()
            while True:
                start = perf_counter()
                try:
                    chunk = await anext(chunks, None)
                except Exception as error:
                    raise to_library(error) from error.__cause__ or error
                self._player.record.waited += perf_counter() - start
                if chunk is None:
                    return
                yield chunk

        async def aclose(self) -> None:
            self._player.closed()

    return AsyncReplayed


def _watched(base: Any) -> type[Any]:
    class Watched(base):  # type: ignore[misc]
        def __init__(self, stream: Any, watch: Watch) -> None:
            self._stream, self._watch = stream, watch

        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self._stream:
                    self._watch.passed(chunk)
                    yield chunk
            except Exception as error:
                self._watch.failed(error)
                raise
            self._watch.done()

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._watch.closed()

    return Watched


def _async_watched(base: Any) -> type[Any]:
    class AsyncWatched(base):  # type: ignore[misc]
        def __init__(self, stream: Any, watch: Watch) -> None:
            self._stream, self._watch = stream, watch

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._stream:
                    self._watch.passed(chunk)
                    yield chunk
            except Exception as error:
                self._watch.failed(error)
                raise
            self._watch.done()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._watch.closed()

    return AsyncWatched
