"""Servers that our own launcher has started here: of these alone the scheduling policy is known.

A note per running server lies in the user's cache directory, so that a program can tell that
`ayo-bridge serve-llm` in another terminal started the server it talks to.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit


def note(url: str, pid: int) -> None:
    """Remember that process ``pid`` serves ``url``, with priority scheduling on.

    A cache directory that cannot be written only means that nobody will know.
    """
    path = _path(url)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        noted = {"url": url, "pid": pid, "started": _started(pid)}
        path.write_text(json.dumps(noted), encoding="utf-8")


def forget(url: str) -> None:
    """The server has ended."""
    with suppress(OSError):
        _path(url).unlink()


def is_launched(url: str) -> bool:
    """Whether a server of our launcher is running at this address.

    The process is asked for, so a note that a crash left behind says nothing.
    """
    try:
        noted = json.loads(_path(url).read_text(encoding="utf-8"))
        started = _started(int(noted["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return started is not None and noted.get("started") == started


def running() -> tuple[str, ...]:
    """The base URLs of the servers of our launcher that run here, by name."""
    found = []
    for path in sorted(_directory().glob("*.json")):
        try:
            url = str(json.loads(path.read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Just deleted, or by an older version: it is found when it is named.
        if is_launched(url):
            found.append(url)
    return tuple(found)


def _path(url: str) -> Path:
    parts = urlsplit(url)
    host = (parts.hostname or "").replace(":", "-")
    return _directory() / f"{host}-{parts.port}.json"


def _directory() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    base = Path(cache) if cache else Path.home() / ".cache"
    return base / "ayo-bridge" / "servers"


def _started(pid: int) -> str | None:
    """When a process was started, in the kernel's ticks; tells it from a later one of its pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
