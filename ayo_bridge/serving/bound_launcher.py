"""Runs between us and an engine process, so that the engine never outlives us.

Executed as a script (``python -I -S bound_launcher.py PARENT SIGNAL UID:GID MODE COMMAND...``),
hence standard library only. In mode ``exec`` it becomes the command; in mode ``supervise`` it
stays above it and takes the whole tree down when the command ends or a signal asks for it
(SIGTERM, SIGINT, SIGHUP: the command has eight seconds to end by itself; SIGQUIT: at once).

The kernel sends SIGNAL when the thread that forked us dies (prctl(2), PR_SET_PDEATHSIG). That is
set here and not in a ``preexec_fn``, which may deadlock where other threads hold locks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 8.0
_NOT_STARTED = 125


def _prctl(option: int, value: int) -> None:
    """Best effort: systems without prctl keep the orderly stop only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _bind_to_parent(parent: int, death_signal: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # It died before the request above was in place.
        sys.exit(_NOT_STARTED)


def _drop_privileges(identity: str) -> None:
    """Become ``UID:GID``; must precede prctl, since changing credentials clears the request."""
    if identity == "-":
        return
    uid, gid = map(int, identity.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _children_of(parent: int) -> list[int]:
    """Direct children of `parent`, from /proc; empty where there is no /proc."""
    found: list[int] = []
    try:
        entries = os.listdir("/proc")
    except OSError:
        return found
    for entry in filter(str.isdigit, entries):
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != b"Z":
            found.append(int(entry))
    return found


def _quietly(kill: Callable[[int, int], None], target: int, number: int) -> None:
    try:
        kill(target, number)
    except ProcessLookupError:
        return


def _supervise(command: Sequence[str]) -> int:
    """Run `command` in a process group of its own; return its status once no descendant is left."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # Orphans of the command become our children.
    asked = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked | {signal.SIGCHLD})
    # Should somebody kill us outright, the command still gets to end its own children.
    binding = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(signal.SIGTERM))]
    child = subprocess.Popen([*binding, "-", "exec", *command], start_new_session=True)
    deadline = None
    while child.poll() is None:
        if deadline is None:
            received: int | None = signal.sigwait(asked | {signal.SIGCHLD})
        else:
            left = deadline - time.monotonic()
            info = signal.sigtimedwait({signal.SIGCHLD, signal.SIGQUIT}, max(left, 0.0))
            received = info.si_signo if info else None
        if received is None or received == signal.SIGQUIT:
            break
        if received in asked:
            deadline = time.monotonic() + _GRACE_SECONDS
            _quietly(os.kill, child.pid, signal.SIGTERM)
    _quietly(os.killpg, child.pid, signal.SIGKILL)
    status = child.wait()
    while remaining := _children_of(os.getpid()):
        for pid in remaining:
            _quietly(os.kill, pid, signal.SIGKILL)
        os.waitpid(-1, 0)
    return status


def _main(arguments: Sequence[str]) -> int:
    parent, death_signal, identity, mode, *command = arguments
    _drop_privileges(identity)
    _bind_to_parent(int(parent), int(death_signal))
    if mode == "exec":
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvp(command[0], command)
    status = _supervise(command)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
