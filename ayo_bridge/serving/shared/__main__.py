"""Start: take the lock, leave the one who started us, and serve. Heavy imports come later."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path


def main(socket: str, grace: str) -> None:
    """Serve at a socket, unless another process does: the lock is free when that has ended.

    Returns at once in the process that was started: a child of it serves, and is nobody's.
    """
    path = Path(socket)
    os.umask(0o077)
    lock = os.open(path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if os.fork():
        os._exit(0)
    from ayo_bridge.serving.shared.server import serve

    os.ftruncate(1, 0)  # The log of whoever served here before.
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())  # For people who want to know.
    serve(path, float(grace))


if __name__ == "__main__":
    main(*sys.argv[1:])
