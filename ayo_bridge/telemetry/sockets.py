"""Where processes of one user meet: a folder of their own, with a Unix socket for each.

Nobody else can enter it. What a process that was killed has left there is removed by whoever finds
that nobody answers.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

SUFFIX: Final = ".sock"
_BACKLOG: Final = 8


def supported() -> bool:
    """Whether there are Unix sockets here."""
    return hasattr(socket, "AF_UNIX")


def folders() -> list[Path]:
    """Where processes of this user may be, the preferred folder first; they need not exist.

    A service may run without the ``XDG_RUNTIME_DIR`` that a terminal has.
    """
    found = [Path(tempfile.gettempdir()) / f"ayo-bridge-{os.getuid()}"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        found.insert(0, Path(runtime) / "ayo-bridge")
    return found


def is_own(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody else's: in ``/tmp`` anybody may make one."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    mode = status.st_mode
    return stat.S_ISDIR(mode) and status.st_uid == os.getuid() and not mode & 0o077


def listening() -> tuple[socket.socket, Path]:
    """A socket of this process's own, and where it is.

    Raises:
        OSError: there is no folder that it may be in, or the name is too long.
    """
    folder = folders()[0]
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_own(folder):
        raise PermissionError(f"{folder} is not this user's alone: remove it, or its permissions")
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
    there = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        there.bind(str(path))
        there.listen(_BACKLOG)
    except OSError:
        there.close()
        raise
    return there, path
