"""How an engine in Ray actors is reached: by their names, from every process of every node."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import itertools
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.engines.shared.frames import FrameError, Frames, Header, result_of
from ayo_bridge.engines.shared.line import Answered, Connection, Line, Lost, Reach, RefusedError
from ayo_bridge.errors import ArgumentError

_logger: Final = logging.getLogger(__name__)
NAMESPACE: Final = "ayo-bridge"
ACTOR: Final = "ayo_bridge.serving.shared.ray_actor", "EngineActor"
MOST_WAITING: Final = 1024
"""So many calls of one process wait at the actors at most; what is more is made here."""


@dataclass(frozen=True, slots=True)
class RayActor:
    """A placement: detached actors of a Ray cluster run the engine for all who declare it alike.

    They are made by whoever comes first, found by name, started anew when they die, and stay when
    all have gone: ``ray.kill`` ends them, as the end of the cluster does. Needs the extra ``ray``
    and a running cluster (``ray start --head``).

    Args:
        replicas: so many actors; a call goes to the one with the fewest of this process.
        num_cpus, num_gpus: what each takes of its node.
        resources: further ones, by name.
        address: of the cluster; ``None``: the one that this process or ``RAY_ADDRESS`` names, or
            that runs on this machine.
        name: actors of other names are others.

    Raises:
        ArgumentError: fewer than one replica.
    """

    replicas: int = 1
    num_cpus: float = 1
    num_gpus: float = 0
    resources: tuple[tuple[str, float], ...] = ()
    address: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never serve."""
        if self.replicas < 1:
            raise ArgumentError(f"replicas is to be at least 1, not {self.replicas}")


class RayReach(Reach):
    """Joins the cluster and finds the actors, or makes them.

    Args:
        placement: which ones.
        hello: what they run; called off the loop. Raises ``ValueError`` where nothing is shared.
        facts: what else their users have to agree on, in JSON.
    """

    def __init__(self, placement: RayActor, hello: Callable[[], Header], facts: Header) -> None:
        self._placement, self._hello, self._facts = placement, hello, facts

    async def connect(self, line: Line) -> Connection:
        """Find the actors, and wait until each has its engine."""
        line.absent()
        hello = json.dumps(await asyncio.to_thread(self._hello), sort_keys=True)
        ray = await asyncio.to_thread(self._joined)
        try:
            actors = await asyncio.to_thread(self._actors, ray, hello)
            for actor in actors:
                await self._greeted(ray, actor)
        except ray.exceptions.RayError as error:
            raise Lost(f"Ray: {error}") from error
        return _Actors(line, ray, actors)

    def _joined(self) -> Any:
        """Ray, in a process that has joined the cluster."""
        try:
            ray = importlib.import_module("ray")
        except ImportError as error:
            raise ValueError("Ray is not installed: pip install 'ayo-bridge[ray]'") from error
        if not ray.is_initialized():
            try:
                ray.init(
                    address=self._placement.address or "auto",
                    namespace=NAMESPACE,
                    log_to_driver=False,
                    configure_logging=False,
                )
            except ConnectionError as error:
                raise OSError(f"no Ray cluster is reached (ray start --head): {error}") from error
        return ray

    def _actors(self, ray: Any, hello: str) -> list[Any]:
        place = self._placement
        known = json.dumps([place.name, self._facts, hello], sort_keys=True)
        digest = hashlib.sha256(known.encode()).hexdigest()[:16]
        module, name = ACTOR
        made = ray.remote(getattr(importlib.import_module(module), name))
        options = {
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": -1,
            "max_task_retries": 0,  # Who asks decides that: a model of its own may be faster.
            "max_concurrency": 16 * MOST_WAITING,
            "num_cpus": place.num_cpus,
            "num_gpus": place.num_gpus,
            "resources": dict(place.resources),
            "runtime_env": {"env_vars": {"AYO_BRIDGE": "0"}},
        }
        names = [f"engine-{digest}-{number}" for number in range(place.replicas)]
        return [made.options(name=each, **options).remote(hello) for each in names]

    @staticmethod
    async def _greeted(ray: Any, actor: Any) -> None:
        answer = await asyncio.wrap_future(actor.ready.remote().future())
        ((header, _),) = Frames().feed(answer)
        if "refused" in header:
            ray.kill(actor)
            raise ValueError(header["refused"])


class _Actors(Connection):
    """The actors of one engine, and who waits for answers of them."""

    def __init__(self, line: Line, ray: Any, actors: list[Any]) -> None:
        self._line, self._ray, self._actors = line, ray, actors
        self._loop = asyncio.get_running_loop()
        self._client = os.getpid()
        self._waiting: dict[int, tuple[Any, int, Answered]] = {}
        self._busy = [0] * len(actors)
        self._turn = itertools.count()

    def send(self, number: int, frame: bytes, answered: Answered) -> None:
        """Send a call to the actor with the fewest, in turns."""
        turn, count = next(self._turn), len(self._busy)
        place = min(range(count), key=lambda each: (self._busy[each], (each - turn) % count))
        try:
            reference = self._actors[place].ask.remote(self._client, frame)
        except self._ray.exceptions.RayError:
            self._line.lost(self)
            answered(Lost())
            return
        self._waiting[number] = reference, place, answered
        self._busy[place] += 1
        self.full = len(self._waiting) >= MOST_WAITING

        def done(future: Any) -> None:
            with suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._take, number, future)

        reference.future().add_done_callback(done)

    def cancel(self, number: int) -> None:
        """Take a call back."""
        if (found := self._gone(number)) is not None:
            self._ray.cancel(found[0])

    def end(self) -> None:
        """Take all calls back; the actors stay."""
        for number in tuple(self._waiting):
            if (found := self._gone(number)) is not None:
                found[2](CancelledError())

    def leave(self) -> None:
        """Ray does not survive a fork."""
        self._line.refuse("this process was forked from one that had joined Ray")

    def _gone(self, number: int) -> tuple[Any, int, Answered] | None:
        found = self._waiting.pop(number, None)
        if found is not None:
            self._busy[found[1]] -= 1
            self.full = len(self._waiting) >= MOST_WAITING
        return found

    def _take(self, number: int, future: Any) -> None:
        found = self._gone(number)
        if found is not None:
            found[2](self._outcome(future))

    def _outcome(self, future: Any) -> object:
        try:
            ((header, body),) = Frames().feed(future.result())
            error = header.get("error")
            return result_of(header, body) if error is None else RefusedError(error)
        except (FrameError, ValueError) as error:
            return RefusedError(str(error))
        except self._ray.exceptions.RayError as error:
            _logger.info("an actor is lost: %s", error)
            self._line.lost(self)  # It is found again once it has been started anew.
            return Lost()
