"""How an engine in Ray actors is reached: by their names, from every process of every node."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from ayo_bridge.engines.shared.frames import FrameError, Frames, Header
from ayo_bridge.engines.shared.line import (
    Answered,
    Connection,
    Line,
    Lost,
    Reach,
    RefusedError,
    outcome_of,
)
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import new_lock

_logger: Final = logging.getLogger(__name__)
NAMESPACE: Final = "ayo-bridge"
ACTOR: Final = "ayo_bridge.serving.shared.ray_actor", "EngineActor"
MOST_WAITING: Final = 1024
"""So many calls of one process wait at the actor at most; what is more is made here."""

AGAIN: Final = 1.0
"""Seconds between two looks for an actor that has died."""
_joining: Final = new_lock()


@dataclass(frozen=True, slots=True)
class RayActor:
    """A placement: detached actors of a Ray cluster run the engine for all who declare it alike.

    They are made by whoever comes first, found by name, started anew when they die, and stay when
    all have gone: ``ray.kill`` ends them, as the end of the cluster does. Needs the extra ``ray``
    and a running cluster (``ray start --head``).

    A batch whose actor has died runs at another one. If that had the queue, who has asked makes the
    calls.

    Args:
        replicas: so many actors. The first one has the queue of all calls: its scheduler makes
            batches, and hands each to the actor that runs the fewest.
        num_cpus, num_gpus: what each takes of its node.
        resources: further ones, by name.
        address: of the cluster; ``None``: the one that this process or ``RAY_ADDRESS`` names, or
            that runs on this machine.
        name: actors of other names are others.

    Raises:
        ArgumentError: fewer than one replica, or less than no core or GPU.
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
        for name, amount in (("num_cpus", self.num_cpus), ("num_gpus", self.num_gpus)):
            if amount is not None and not amount >= 0:
                raise ArgumentError(f"{name} is to be 0 or more, not {amount}")


class RayReach(Reach):
    """Joins the cluster and finds the actors, or makes them.

    Args:
        placement: which ones.
        hello: what they run; called off the loop. Raises ``ValueError`` where nothing is shared.
        facts: what else their users have to agree on, in JSON.
    """

    def __init__(self, placement: RayActor, hello: Callable[[], Header], facts: Header) -> None:
        self._placement, self._hello, self._facts = placement, hello, facts
        self._found = False

    async def connect(self, line: Line) -> Connection:
        """Find the actor that has the queue, and wait until it has its engine."""
        line.absent()
        hello = json.dumps(await asyncio.to_thread(self._hello), sort_keys=True)
        ray = await asyncio.to_thread(self._joined)
        try:
            actor, refused = await self._greeted(ray, hello)
            if refused:
                ray.kill(actor)
                raise ValueError(refused)
        except ray.exceptions.RayError as error:
            raise Lost(f"Ray: {error}") from error
        self._found = True
        return _Queue(line, ray, actor)

    async def _greeted(self, ray: Any, hello: str) -> tuple[Any, str]:
        """The actor, and why it does not serve. One that has served is waited for: Ray starts it
        anew."""
        find = partial(self._actor, ray, hello)
        if self._found:
            return await revived(ray, find)
        actor = await asyncio.to_thread(find)
        return actor, await refusal(actor)

    def _joined(self) -> Any:
        """Ray, in a process that has joined the cluster: once, whoever comes first."""
        with _joining:
            return self._join()

    def _join(self) -> Any:
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

    def _actor(self, ray: Any, hello: str) -> Any:
        place = asdict(self._placement)
        place.pop("address")
        known = json.dumps([place, self._facts, hello], sort_keys=True)
        digest = hashlib.sha256(known.encode()).hexdigest()[:16]
        options = {
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": -1,
            "max_task_retries": 0,  # Who asks decides that: a model of its own may be faster.
            "max_concurrency": 16 * MOST_WAITING,
            "num_cpus": place["num_cpus"],
            "num_gpus": place["num_gpus"],
            "resources": dict(place["resources"]),
            "runtime_env": {"env_vars": _environment(place["num_cpus"])},
        }
        others = [f"engine-{digest}-{number}" for number in range(1, place["replicas"])]
        return named_actor(ray, f"engine-{digest}", options, hello, others)


def _environment(cpus: float) -> dict[str, str]:
    """Of an actor: nothing is accelerated in it, and it has as many cores as it takes."""
    return {"AYO_BRIDGE": "0", "AYO_CORES": str(max(1, int(cpus)))}


def named_actor(
    ray: Any, name: str, options: Mapping[str, Any], hello: str, others: Sequence[str] = ()
) -> Any:
    """The actor of a name, made where there is none; with a queue for its like of ``others``."""
    module, cls = ACTOR
    made = ray.remote(getattr(importlib.import_module(module), cls))
    return made.options(name=name, **options).remote(hello, others, options)


async def refusal(actor: Any) -> str:
    """Why an actor does not serve; empty if it does. Waits until it has its engine.

    Raises:
        ray.exceptions.RayError: it has died.
    """
    answer = await asyncio.wrap_future(actor.ready.remote().future())
    ((header, _),) = Frames().feed(answer)
    return str(header.get("refused", ""))


async def revived(ray: Any, find: Callable[[], Any]) -> tuple[Any, str]:
    """An actor that was there before, once it is again; and why it does not serve.

    ``find`` finds it or makes it, off the loop.
    """
    while True:
        try:
            actor = await asyncio.to_thread(find)
            return actor, await refusal(actor)
        except ray.exceptions.RayError as error:
            _logger.info("an actor is waited for: %s", error)
            await asyncio.sleep(AGAIN)


class _Queue(Connection):
    """The actor that has the queue, and who waits for answers of it."""

    def __init__(self, line: Line, ray: Any, actor: Any) -> None:
        self._line, self._ray, self._actor = line, ray, actor
        self._loop = asyncio.get_running_loop()
        self._client = os.getpid()
        self._waiting: dict[int, tuple[Any, Answered]] = {}

    def send(self, number: int, frame: bytes, answered: Answered) -> None:
        """Queue a call there."""
        try:
            reference = self._actor.ask.remote(self._client, frame)
        except self._ray.exceptions.RayError:
            self._line.lost(self)
            answered(Lost())
            return
        self._waiting[number] = reference, answered
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
        """Take all calls back; the actor stays."""
        for number in tuple(self._waiting):
            if (found := self._gone(number)) is not None:
                found[1](CancelledError())

    def leave(self) -> None:
        """Ray does not survive a fork."""
        self._line.refuse("this process was forked from one that had joined Ray", now=False)

    def _gone(self, number: int) -> tuple[Any, Answered] | None:
        found = self._waiting.pop(number, None)
        self.full = len(self._waiting) >= MOST_WAITING
        return found

    def _take(self, number: int, future: Any) -> None:
        found = self._gone(number)
        if found is not None:
            found[1](self._outcome(future))

    def _outcome(self, future: Any) -> object:
        try:
            ((header, body),) = Frames().feed(future.result())
            return outcome_of(header, body)
        except (FrameError, ValueError) as error:
            return RefusedError(str(error))
        except self._ray.exceptions.RayError as error:
            _logger.info("an actor is lost: %s", error)
            self._line.lost(self)  # It is found again once it has been started anew.
            return Lost()
