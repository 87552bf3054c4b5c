"""Modules and engines as Ray actors (paper, section 7.1: "LlamaDist, a Ray-based LlamaIndex").

Needs ``pip install 'ayo-bridge[ray]'``; nothing else of the project does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ayo_bridge.bench import BenchError
from benchmarks.apps.arms.places import THREADS, Handle, Ref


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise BenchError(
            "LlamaDist and AutoGen are Ray actors: pip install 'ayo-bridge[ray]', or take "
            "module-by-module, which needs no Ray"
        ) from error
    return ray


class OnRay:
    """Ray on this machine, as long as one of those who share it is open."""

    _users = 0
    _began = False
    """Whether it is ours to end."""

    def __init__(self) -> None:
        self._ray = ray = _ray()
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            # Ray's workers step back (15) before this process, in which the other arms run.
            os.environ.setdefault("RAY_worker_niceness", "0")
            paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                logging_level="warning",
                runtime_env={"env_vars": {"PYTHONPATH": paths}},
                _node_ip_address="127.0.0.1",
            )
            OnRay._began = True
        OnRay._users += 1
        self._actors: list[Any] = []

    def start(self, make: Callable[..., Any], *args: Any) -> Handle:
        """Have it in an actor. What is awaited makes the actor an asynchronous one."""
        options = {"max_concurrency": THREADS, "num_cpus": 0}
        self._actors.append(self._ray.remote(make).options(**options).remote(*args))
        return RayHandle(self._actors[-1])

    def close(self) -> None:
        """End the actors, and Ray with the last of its users."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors.clear()
        OnRay._users -= 1
        if OnRay._began and not OnRay._users:
            self._ray.shutdown()
            OnRay._began = False


@dataclass(frozen=True, slots=True)
class RayHandle:
    """An actor; can be given to other actors."""

    actor: Any

    def ready(self) -> Ref:
        """It is made; what making it has raised is raised."""
        return RayRef(self.actor.__ray_ready__.remote())

    def call(self, method: str, *args: Any) -> Ref:
        """Call it; Ray brings the values of refs."""
        return RayRef(getattr(self.actor, method).remote(*args))

    def run(self, *args: Any) -> tuple[Ref, Ref]:
        """Call it once the arguments are there."""
        plain = [each.ref if isinstance(each, RayRef) else each for each in args]
        value, mark = self.actor.run.options(num_returns=2).remote(*plain)
        return RayRef(value), RayRef(mark)


@dataclass(frozen=True, slots=True)
class RayRef:
    """A value in Ray's store."""

    ref: Any

    def get(self) -> Any:
        """The value; what an actor has raised is raised as it was."""
        ray = _ray()
        try:
            return ray.get(self.ref)
        except ray.exceptions.RayTaskError as error:
            raise getattr(error, "cause", None) or error from error


__all__ = ["OnRay", "RayHandle", "RayRef"]
