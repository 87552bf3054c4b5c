"""Engine processes as children that never outlive us, however we end.

In: a command. Out: a running child that the kernel stops when this process dies, SIGKILL included
(Linux; elsewhere only the orderly stop works).
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ayo_bridge.errors import EngineUnavailableError

_LAUNCHER = Path(__file__).with_name("bound_launcher.py")


class EngineStartError(EngineUnavailableError):
    """An engine process ended, or was not ready in time; the message ends with its last output."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that a child runs as."""

    uid: int
    gid: int
    name: str


class _Forker:
    """The one thread of this process that forks engine children.

    The kernel's parent-death signal fires when the *thread* that forked ends (prctl(2)), so the
    forking thread must last as long as the process: a caller's thread may be a short-lived one.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        self._pid = os.getpid()
        threading.Thread(target=self._serve, name="ayo-engine-forker", daemon=True).start()

    def _serve(self) -> None:
        while True:
            fork, outcome = self._work.get()
            try:
                outcome.set_result(fork())
            except BaseException as error:  # Handed to the caller, who is waiting for it.
                outcome.set_exception(error)

    @property
    def usable(self) -> bool:
        """Whether this is still the process that the thread runs in (a fork copies no threads)."""
        return self._pid == os.getpid()

    def run(self, fork: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        outcome: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((fork, outcome))
        return outcome.result()


_forker: _Forker | None = None
_forker_lock = threading.Lock()


def _renew_lock() -> None:
    """In a forked child the lock may be held by a thread that does not exist there."""
    global _forker_lock
    _forker_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    run_as: Identity | None = None,
    supervise: bool = False,
    pass_fds: Sequence[int] = (),
    cores: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its output appended to `log`.

    Args:
        command: program and arguments; the program is looked up on PATH.
        log: file that standard output and error are appended to.
        env: the whole environment of the child; ours when None.
        death_signal: what the child gets when this process dies.
        run_as: user to become first; needs root.
        supervise: keep a small process above the command which ends every descendant, those
            included that left its process group, when the command ends, on SIGTERM (after some
            grace) and on SIGQUIT (at once). The returned process is then that supervisor.
        pass_fds: descriptors that the child inherits.
        cores: CPU cores that the child is confined to; empty for all of ours. Linux only.
    """
    identity = f"{run_as.uid}:{run_as.gid}" if run_as else "-"
    mode = "supervise" if supervise else "exec"
    binding = [str(os.getpid()), str(int(death_signal)), identity, mode]
    # Not sys.path's business: -I -S starts in 20 ms and runs no site hooks.
    arguments = [sys.executable, "-I", "-S", str(_LAUNCHER), *binding, *command]

    def fork() -> subprocess.Popen[bytes]:
        with log.open("ab") as output, _confined_to(cores):
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd="/" if run_as else None,
                start_new_session=True,
                pass_fds=pass_fds,
            )

    global _forker
    with _forker_lock:
        if _forker is None or not _forker.usable:
            _forker = _Forker()
        forker = _forker
    return forker.run(fork)


@contextmanager
def _confined_to(cores: Sequence[int]) -> Iterator[None]:
    """Bind the calling thread to `cores` for a while: what it forks inherits that."""
    if not cores or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def stop(process: subprocess.Popen[bytes], *escalation: tuple[signal.Signals, float]) -> int:
    """End `process`: send each signal in turn and wait its number of seconds; then SIGKILL."""
    for number, seconds in escalation:
        if process.poll() is not None:
            break
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.wait()


def log_tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, or a note that there is none."""
    try:
        with log.open(errors="replace") as text:
            return "".join(deque(text, maxlen=lines)).rstrip() or "(no output)"
    except OSError as error:
        return f"(no log: {error})"
