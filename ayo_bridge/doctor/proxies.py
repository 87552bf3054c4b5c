"""Proxies that the environment names. What a proxy is given to log in is never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.engines.declared_file import named_servers
from ayo_bridge.errors import ArgumentError

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOCAL: Final = ("localhost", "127.0.0.1")


def check_proxies() -> Iterator[Check]:
    """Each proxy by host and port, and whether servers on this machine are reached past them."""
    named = [name for name in _named() if os.environ.get(name, "").strip()]
    if not named:
        yield Check(Area.PROXIES, Level.OK, "none in the environment")
        return
    for name in named:
        yield _proxy(name, os.environ[name].strip())
    through = [host for host in _LOCAL if not _bypassed(host)]
    if through and any(not name.upper().startswith("HTTPS") for name in named):
        yield Check(
            Area.PROXIES,
            Level.NOTE,
            f"requests to servers on this machine ({', '.join(through)}) go through the proxy",
            "set NO_PROXY=localhost,127.0.0.1, with what it says today",
        )
    yield from _replicas(named)


def _replicas(named: Sequence[str]) -> Iterator[Check]:
    schemes = {name.partition("_")[0].lower() for name in named}
    with suppress(ArgumentError):  # `check_settings` says what is wrong with it.
        for each in named_servers():
            parts = [urlsplit(url) for url in each.urls]
            if len(parts) > 1 and any(
                schemes.intersection((p.scheme, "all")) and not _bypassed(p.hostname or "")
                for p in parts
            ):
                yield Check(
                    Area.PROXIES,
                    Level.NOTE,
                    f"requests for {each.model} go through the proxy: over requests, urllib3 and "
                    "aiohttp they stay at the app's own address, and go to no other replica",
                    "name the replicas' hosts in NO_PROXY",
                )


def _named() -> Iterator[str]:
    for name in _PROXIES:
        yield from (name.lower(), name)


def _bypassed(host: str) -> bool:
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return bool(proxy_bypass_environment(host, {"no": excepted}))


def _proxy(name: str, value: str) -> Check:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        return Check(
            Area.PROXIES,
            Level.PROBLEM,
            f"{name} names no proxy (its value is not shown: it may hold a password)",
            f"set {name}=http://HOST:PORT, or unset it",
        )
    where = f"{name}: {parts.scheme}://{host}" + (f":{port}" if port else "")
    if parts.username or parts.password:
        where += " (with credentials, not shown)"
    if parts.scheme not in ("http", "https"):
        return Check(
            Area.PROXIES,
            Level.NOTE,
            f"{where}; calls by such a proxy run as they are",
            "take an http or https proxy where calls are to run ahead",
        )
    return Check(Area.PROXIES, Level.OK, f"{where}; calls ahead go through it too")
