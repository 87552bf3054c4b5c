"""Looks after replicas in the background: which answer again, and what others have sent there."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ayo_bridge.engines.openai_http.connections import Connections
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ReadError,
    TransportError,
)
from ayo_bridge.engines.openai_http.tls import tls_context

EVERY: Final = 1.0
"""Seconds between two looks at a replica that is down."""
METRICS_EVERY: Final = 2.0
"""Seconds between two looks at what others have sent to one that is in use."""
_PATIENCE: Final = 2.0
_UNANSWERED: Final = 3
"""Looks in a row that one does not answer, until it counts as lost: it may have much to do."""
_NOTHING: Final = 0
"""Instead of a status: connections are taken, and nothing is answered."""
_UNREACHED: Final = -1
"""Instead of a status: there is no connection."""
_TLS: Final = 495
"""The status of who answers, but does not agree with us about certificates, as nginx has it."""
_IDLE: Final = 10.0
"""Seconds without a request after which nobody looks any more."""
_LONGEST: Final = 1 << 20
_SEQUENCES: Final = re.compile(
    rb"^vllm:num_requests_(?:running|waiting)(?:\{[^}\n]*\})?\s+([0-9.e+]+)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Check:
    """What to look after.

    Args:
        urls: base URLs.
        down: the numbers of those that have failed.
        busy: the numbers of those whose load matters now.
        heard: told the number of one that answers, and its sequences if it says how many.
        lost: told the number of one in use that answers no more.
    """

    urls: Sequence[str]
    down: Callable[[], Sequence[int]]
    busy: Callable[[], Sequence[int]]
    heard: Callable[[int, int | None], object]
    lost: Callable[[int], object]


@dataclass(slots=True)
class _Seen:
    silent: set[int] = field(default_factory=set)
    """Those without metrics that say anything."""
    unanswered: Counter[int] = field(default_factory=Counter)
    """By number: how often in a row one has not answered."""


async def watch(check: Check) -> None:
    """Look after replicas until none is down and none was in use for some time."""
    loop = asyncio.get_running_loop()
    connections = Connections(tls_context)
    seen = _Seen()
    used = looked = loop.time()
    try:
        while True:
            await asyncio.sleep(EVERY)
            down, busy = check.down(), check.busy()
            now = loop.time()
            if down or busy:
                used = now
            elif now - used > _IDLE:
                return
            asked = [_health(connections, check, number) for number in down]
            if now - looked >= METRICS_EVERY:
                looked = now
                there = [n for n in busy if n not in seen.silent and n not in down]
                asked += [_load(connections, check, number, seen) for number in there]
            await asyncio.gather(*asked)
    finally:
        await connections.aclose()


async def _health(connections: Connections, check: Check, number: int) -> None:
    """Whatever answers is there, unless it says that it is not well."""
    status, _ = await _got(connections, _beside(check.urls[number], "/health"))
    if 0 < status < 500:
        check.heard(number, None)


async def _load(connections: Connections, check: Check, number: int, seen: _Seen) -> None:
    status, page = await _got(connections, _beside(check.urls[number], "/metrics"))
    counts = _SEQUENCES.findall(page) if status == 200 else []
    if status != _NOTHING:
        seen.unanswered[number] = 0
    if counts:
        check.heard(number, int(sum(map(float, counts))))
    elif status > 0:
        seen.silent.add(number)
    elif status == _NOTHING:
        seen.unanswered[number] += 1
        if seen.unanswered[number] >= _UNANSWERED:
            seen.unanswered[number] = 0
            check.lost(number)


async def _got(connections: Connections, url: str) -> tuple[int, bytes]:
    """Status and body of a page, or what else there was.

    Requests may go another way than we do: through a proxy, with whom their client trusts. So a
    place that we do not reach is perhaps well.
    """
    page = bytearray()
    try:
        async with asyncio.timeout(2 * _PATIENCE):
            response = await connections.get(url, _PATIENCE)
            try:
                async for chunk in response.stream:
                    page += chunk
                    if len(page) > _LONGEST:
                        break
            finally:
                await response.stream.aclose()
    except ConnectError as error:
        return (_TLS if isinstance(error.__cause__, ssl.SSLError) else _UNREACHED), b""
    except ReadError as error:
        return (_TLS if isinstance(error.__cause__, ssl.SSLError) else _NOTHING), b""
    except ConnectTimeout:
        return _UNREACHED, b""
    except (TransportError, TimeoutError):
        return _NOTHING, b""
    return response.status, bytes(page)


def _beside(url: str, path: str) -> str:
    """A page of the server whose base URL, with or without ``/v1``, this is."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("/v1") + path, "", ""))


__all__ = ["Check", "watch"]
