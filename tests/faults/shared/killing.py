"""An application of several worker processes, and the blows it gets while its users ask."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from ayo_bridge import RayActor, SharedProcess
from ayo_bridge.top import Process, ask_all
from tests.deadline import eventually
from tests.faults.shared.app import Seen, Spec, work

STARTS = 240.0
"""Seconds for loading a model, on a machine that is busy."""


@dataclass
class Worker:
    """A worker process, and the way to ask it."""

    process: ForkServerProcess
    here: Connection

    def ask(self, what: str, within: float = STARTS) -> Any:
        """Its answer.

        Raises:
            EOFError, OSError: it has been killed.
        """
        self.here.send(what)
        assert self.here.poll(within), f"a worker does not answer {what!r}"
        return self.here.recv()


@dataclass(frozen=True)
class Place:
    """Where the engine is shared, and what is killed."""

    placement: SharedProcess | RayActor
    strike: Callable[[Workers], object]
    """Kills something, and starts it anew where nobody else does."""
    survivors: Callable[[Workers], set[int]]
    """Processes that no blow hits: they are to have no more files and threads in the end."""
    left: Callable[[], list[str]]
    """What is there once all workers have ended, and should not be. Waits a while for its end."""


class Workers:
    """The application's processes. Each is forked from one that has imported everything."""

    def __init__(self, spec: Spec, count: int) -> None:
        self.spec, self.seen, self.kills = spec, Seen(), 0
        self._context = multiprocessing.get_context("forkserver")
        imported = ["tests.faults.shared.app"]
        imported += ["sentence_transformers"] if spec.model else []
        self._context.set_forkserver_preload(imported)
        self.all = [self._started() for _ in range(count)]

    def _started(self) -> Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=work, args=(there, self.spec), daemon=True)
        process.start()
        there.close()
        return Worker(process, here)

    @property
    def pids(self) -> set[int]:
        """Their numbers."""
        return {worker.process.pid for worker in self.all if worker.process.pid is not None}

    def look(self) -> None:
        """Take over what all of them have seen."""
        for worker in self.all:
            self.seen.add(worker.ask("seen"))

    def kill(self, place: int) -> None:
        """Kill one and start another; what its users have not told is gone with it."""
        worker = self.all[place]
        with suppress(EOFError, OSError):
            self.seen.add(worker.ask("seen"))
        worker.process.kill()
        worker.process.join(STARTS)
        worker.here.close()
        self.all[place] = self._started()

    def share(self) -> bool:
        """Whether the calls of all go to what they share."""
        return all(worker.ask("shares") for worker in self.all)

    def end(self) -> int:
        """End all; how many questions hang."""
        hanging = 0
        for worker in self.all:
            stuck, seen = worker.ask("end")
            hanging += stuck
            self.seen.add(seen)
        for worker in self.all:
            worker.process.join(STARTS)
            hanging += worker.process.is_alive()
            worker.process.kill()
            worker.here.close()
        return hanging


@dataclass
class Found:
    """What a run has shown."""

    seen: Seen
    kills: int
    hanging: int
    batches: int
    calls: int
    """Batches of the shared engine, and calls in them, once all was over."""
    files: tuple[int, int]
    """Of one of those that outlive the blows: open files at first and at last."""
    threads: tuple[int, int]
    left: Sequence[str]
    """Processes and sockets that are there when all has ended."""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, missing, hanging or left, and calls share batches again."""
        leaks = any(last > first + 8 for first, last in (self.files, self.threads))
        lacking = not (self.seen.right and self.calls > self.batches > 0)
        return not (self.seen.wrong or self.hanging or self.left or leaks or lacking)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills: {self.seen.right} answers right, wrong "
            f"{dict(self.seen.wrong) or 'none'}, {self.hanging} hang, slowest "
            f"{self.seen.slowest:.2f} s; afterwards {self.calls} calls in {self.batches} batches; "
            f"files {self.files[0]} -> {self.files[1]}, threads {self.threads[0]} -> "
            f"{self.threads[1]}, left: {list(self.left) or 'nothing'}"
        )


@contextmanager
def folder() -> Iterator[Path]:
    """A place for sockets of the run's own, in which all of its processes show themselves."""
    before = {name: os.environ.get(name) for name in ("XDG_RUNTIME_DIR", "AYO_TOP")}
    with tempfile.TemporaryDirectory(prefix="ayo") as made:
        os.environ.update(XDG_RUNTIME_DIR=made, AYO_TOP="1", AYO_TEMPLATES="0")
        try:
            yield Path(made)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ.update({name: value} if value is not None else {})


def holders(workers: Workers) -> list[Process]:
    """The processes that hold the shared engine now, and what they say of it."""
    return [each for each in ask_all() if each.engines and each.pid not in workers.pids]


def under_fire(
    place: Place, *, seconds: float, every: float, workers: int, model: str = "", pause: float = 0.0
) -> Found:
    """Have users ask while something is killed again and again.

    Args:
        place: where the engine is shared, and what is killed.
        seconds: how long users ask.
        every: seconds between two blows.
        workers: how many processes ask.
        model: path of an embedding model; without one an engine that takes no time is shared.
        pause: seconds between two questions of a user.
    """
    names = ("XDG_RUNTIME_DIR", "AYO_TOP", "AYO_TEMPLATES")
    environment = {name: os.environ[name] for name in names}
    app = Workers(Spec(place.placement, environment, model, pause=pause), workers)
    eventually(app.share, "the first sharing of all workers", STARTS)
    files, threads = _held(place.survivors(app))
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        time.sleep(every / 2)
        place.strike(app)
        kills += 1
        time.sleep(every / 2)
        app.look()
    eventually(app.share, "the sharing of all workers afterwards", STARTS)
    before = _counted(app)

    def fused() -> bool:
        since = _counted(app) - before
        return since["calls"] > since["batches"] > 0

    eventually(fused, "batches of several calls", STARTS)
    since = _counted(app) - before
    files_last, threads_last = _held(place.survivors(app))
    hanging = app.end()
    return Found(
        app.seen,
        kills,
        hanging,
        since["batches"],
        since["calls"],
        (files, files_last),
        (threads, threads_last),
        place.left(),
    )


def _counted(app: Workers) -> Counter[str]:
    """Batches and calls of the processes that hold the engine."""
    rows = [row for each in holders(app) for row in each.engines]
    return Counter({name: sum(row[name] for row in rows) for name in ("batches", "calls")})


def _held(pids: set[int]) -> tuple[int, int]:
    """Open files and threads of the process that has most."""
    found = [psutil.Process(pid) for pid in pids]
    return max(each.num_fds() for each in found), max(each.num_threads() for each in found)
