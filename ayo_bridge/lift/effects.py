"""What a call does outside of this process: seen in its first run, and stopped in its second.

Python's audit events tell of it: files that are written, processes that are started, connections
that are made. A hook for them cannot be taken off again, so it is put on with the first call that
needs it, in processes that verify.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final

from ayo_bridge.runahead import Scope, current_scope

_OUTSIDE: Final = frozenset(
    {
        *("os.exec", "os.fork", "os.forkpty", "os.kill", "os.link", "os.mkdir", "os.posix_spawn"),
        *("os.putenv", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.system"),
        *("os.truncate", "os.unsetenv", "os.utime", "pty.spawn", "subprocess.Popen"),
        *("shutil.copyfile", "shutil.move", "shutil.rmtree", "sqlite3.connect"),
        *("smtplib.connect", "smtplib.send", "ftplib.connect", "imaplib.open", "urllib.Request"),
    }
)
_REACHES: Final = frozenset({"socket.connect", "socket.sendto", "socket.bind"})
"""So engines are asked, too: seen in the second run only, which asks none."""
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_lock: Final = threading.Lock()
_watching = False


def watch() -> None:
    """From now on what calls do is seen. Idempotent."""
    global _watching
    with _lock:
        if not _watching:
            _watching = True
            sys.addaudithook(_heard)


def _heard(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        if not _writes(*args):
            return
    elif event not in _OUTSIDE and event not in _REACHES:
        return
    scope = current_scope()
    # An error in here would be one of the program's own: a scope may be of another kind.
    if not isinstance(scope, Scope):
        return
    if not (scope.replays or (scope.verified and event not in _REACHES)):
        return
    scope.touches("a file is written" if event == "open" else f"{event} is called")


def _writes(path: object, mode: object, flags: object) -> bool:
    if isinstance(flags, int) and flags & _WRITING == 0:
        return False
    if isinstance(mode, str) and not set(mode) & set("wxa+"):
        return False
    # What Python keeps of a module that is imported.
    return not (isinstance(path, str) and "__pycache__" in path)


__all__ = ["watch"]
