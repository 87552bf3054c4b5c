"""Asks every process of this user that shows itself what it does."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from ayo_bridge.telemetry import sockets
from ayo_bridge.telemetry.shown import VERSION
from ayo_bridge.top.sums import Process

PATIENCE: Final = 1.0
"""Seconds that a process has for its answer: one whose threads all wait for a library has none."""
_AT_ONCE: Final = 16
_MOST: Final = 1 << 22
"""Bytes of an answer."""


def ask_all(patience: float = PATIENCE) -> list[Process]:
    """What each process does, by its number. Sockets of processes that are gone are removed."""
    paths = [path for folder in sockets.folders() for path in _in(folder)]
    if not paths:
        return []
    with ThreadPoolExecutor(min(len(paths), _AT_ONCE)) as pool:
        answers = pool.map(lambda path: _ask(path, patience), paths)
    return sorted((each for each in answers if each is not None), key=lambda each: each.pid)


def _in(folder: Path) -> Iterable[Path]:
    if not sockets.supported() or not sockets.is_own(folder):
        return []
    return sorted(folder.glob(f"*{sockets.SUFFIX}"))


def _ask(path: Path, patience: float) -> Process | None:
    """What a process says; ``None``: it is gone."""
    try:
        pid = int(path.name.partition("-")[0])
    except ValueError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(patience)
            asking.connect(str(path))
            return _read(pid, _received(asking))
    except ConnectionRefusedError:  # Nobody listens: it was killed.
        path.unlink(missing_ok=True)
        return None
    except FileNotFoundError:  # It has just ended.
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        slow = isinstance(error, TimeoutError)
        return Process(pid, problem="does not answer" if slow else f"is not understood: {error!r}")


def _received(asking: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := asking.recv(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _MOST:
            raise ValueError("too much")
    return b"".join(parts)


def _read(pid: int, answer: bytes) -> Process | None:
    if not answer:  # It ended, or failed and has logged why.
        return Process(pid, problem="says nothing")
    said: dict[str, Any] = json.loads(answer)
    if said["version"] != VERSION:
        return Process(pid, problem="runs another version of ayo-bridge")
    return Process(
        said["pid"],
        program=said["program"],
        objects=said["objects"],
        engines=said["engines"],
        servers=said["servers"],
        replicas=said["replicas"],
    )
