"""Where the shared process is found: a Unix socket in a directory that only the user can read."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ayo_bridge.errors import ArgumentError

_PRIVATE: Final = 0o700
_CREDENTIALS: Final = struct.Struct("3i")
_STARTED_WITHIN: Final = 20.0
"""Seconds within which the small launcher has to be done; the models load behind it."""


class UnsafePlaceError(OSError):
    """The directory is not the user's alone; nothing is shared there."""


@dataclass(frozen=True, slots=True)
class SharedProcess:
    """A placement: one process of this machine runs the engine for all that declare it alike.

    It is started by whoever comes first and ends when the last has gone. The process is shared by
    processes of one user with the same Python, libraries and paths.

    Args:
        name: processes of other names are others: two applications that shall share none.
        grace: seconds for which it stays when the last one has gone.
        threads: of PyTorch for one batch; ``None``: as many as in the process that starts it.

    Raises:
        ArgumentError: a number is too small.
    """

    name: str = ""
    grace: float = 5.0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could never serve."""
        if not self.grace >= 0 or (self.threads is not None and self.threads < 1):
            raise ArgumentError(
                "a shared process stays for 0 seconds or more, with 1 thread or more"
            )


def directory() -> Path:
    """The directory of the user's sockets, made where there is none.

    Raises:
        UnsafePlaceError: it is somebody else's, a link, or open to others.
        OSError: it cannot be made.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    fallback = Path(tempfile.gettempdir()) / f"ayo-bridge-{os.getuid()}"
    folder = Path(given) / "ayo-bridge" if given and Path(given).is_dir() else fallback
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    found = folder.lstat()
    theirs = found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077
    if not stat.S_ISDIR(found.st_mode) or theirs:
        raise UnsafePlaceError(f"{folder} is not this user's alone (0700): remove it")
    return folder


def address(placement: SharedProcess, facts: Mapping[str, Any]) -> Path:
    """The socket of a placement; ``facts``: what else its users have to agree on, in JSON.

    Raises:
        OSError: see :func:`directory`.
    """
    python = [sys.executable, sys.prefix, sys.version, str(Path(__file__).parent)]
    known = json.dumps([placement.name, placement.threads, python, facts], sort_keys=True)
    return directory() / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.sock"


def launch(path: Path, placement: SharedProcess, threads: int) -> None:
    """Start a process that serves at a socket, unless one holds its lock. Waits for its launcher.

    It is nobody's child: it outlives whoever starts it, and leaves no zombie.

    Raises:
        OSError: it could not be started.
    """
    if not sys.executable:
        raise OSError("this Python does not know its own executable")
    environment = {
        **os.environ,
        "AYO_BRIDGE": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": str(threads),
    }
    # Threads that spin between two batches would take the cores of those who wait for them.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = [sys.executable, "-m", "ayo_bridge.serving.shared", str(path), str(placement.grace)]
    log = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        started = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
            timeout=_STARTED_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError("the shared process did not start in time") from error
    finally:
        os.close(log)
    if started.returncode:
        raise OSError(f"the shared process did not start: see {path.with_suffix('.log')}")


def is_own_peer(connected: Any) -> bool:
    """Whether the process at the other end of a socket belongs to this user."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # Not Linux: the directory's mode has to do.
        return True
    found = connected.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return bool(user == os.getuid())
