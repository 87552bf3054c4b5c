"""The unoptimised and the optimised script of an app, run on the engines that were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.simulate import run_virtual
from examples.apps.arms import Arm, run, stream
from examples.apps.backend import Backend
from examples.apps.simulated import simulated
from examples.apps.spec import AppSpec, Sizes
from examples.apps.texts import Subject

T = TypeVar("T")
Say = Callable[[str], None]
Script = tuple[str, tuple[Pass, ...]]

PLAIN: Final[Script] = ("plain", ())
"""Runs the p-graph: every component when the one before it has ended."""
OPTIMISED: Final[Script] = ("optimised", PIPELINE)


@dataclass(frozen=True, slots=True)
class Task:
    """What to ask an app, and how long a query may take, in seconds."""

    spec: AppSpec
    sizes: Sizes
    subjects: Sequence[Subject]
    timeout: float | None = None


class Stage:
    """Runs scripts: each on new simulated engines and a clock of its own, or all on real ones."""

    def __init__(self, real: Backend | None, say: Say) -> None:
        self._real = real
        self._say = say

    def run(self, task: Task, script: Script) -> Arm:
        """Ask all questions at once."""
        name, passes = script

        async def asked() -> Arm:
            backend = self._backend(task)
            await backend.probe()
            spec, sizes = task.spec, task.sizes
            return await run(
                name, backend, spec, sizes, task.subjects, passes=passes, timeout=task.timeout
            )

        return self._finished(asked())

    def warm_up(self, task: Task) -> None:
        """Have real engines serve a query that does not count: the first pays for what is loaded
        and compiled on first use, and which script comes first must not matter."""
        if self._real is None:
            return
        self.run(replace(task, subjects=task.subjects[:1]), PLAIN)
        if not self._real.empty_prefix_caches():
            self._say("The server does not empty its prefix cache: every script finds it warm.")

    def stream(self, task: Task, script: Script, tell: Say) -> None:
        """Ask the first question and tell its answer as it is written."""
        _, passes = script

        async def asked() -> None:
            backend = self._backend(task)
            await backend.probe()
            await stream(
                backend,
                task.spec,
                task.sizes,
                task.subjects[0],
                passes=passes,
                timeout=task.timeout,
                tell=tell,
            )

        self._finished(asked())

    def _backend(self, task: Task) -> Backend:
        if self._real is None:
            return simulated(task.spec, task.sizes)
        self._real.empty_prefix_caches()
        return self._real

    def _finished(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main) if self._real is None else asyncio.run(main)


@contextmanager
def simulation() -> Iterator[Stage]:
    """Virtual time, and the costs of the paper's engines."""
    yield Stage(None, lambda _: None)
