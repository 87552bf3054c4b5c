"""Where an engine is shared, and how what holds it, or who asks, is killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ayo_bridge import RayActor, SharedProcess
from ayo_bridge.top import ask_all
from tests.deadline import eventually
from tests.engines.shared.conftest import serving
from tests.faults.shared.killing import Place, Workers, holders
from tests.ray_cluster import Nodes, cluster, end_actors

GRACE = 0.5
REPLICAS = 2


def _kill_holder(chance: random.Random) -> Callable[[Workers], None]:
    def strike(workers: Workers) -> None:
        found = holders(workers)
        if found:  # Else the one before is not back yet.
            with suppress(ProcessLookupError):
                os.kill(chance.choice(found).pid, signal.SIGKILL)

    return strike


def _kill_worker(chance: random.Random) -> Callable[[Workers], None]:
    return lambda workers: workers.kill(chance.randrange(len(workers.all)))


def _sockets_left(folder: Path) -> list[str]:
    """Processes and sockets that are there although nobody asks any more."""

    def left() -> list[str]:
        ask_all()  # Removes sockets of processes that were killed.
        processes = [f"process {each.pid}" for each in serving(folder)]
        return processes + [each.name for each in folder.rglob("*.sock")]

    with suppress(AssertionError):
        eventually(lambda: not left(), "the end of all")
    return left()


def process(folder: Path, chance: random.Random) -> Place:
    """One process of this machine, which is killed."""
    return Place(
        SharedProcess(grace=GRACE),
        _kill_holder(chance),
        lambda workers: workers.pids,
        lambda: _sockets_left(folder),
    )


def worker(folder: Path, chance: random.Random) -> Place:
    """One process of this machine, whose clients are killed."""
    return Place(
        SharedProcess(grace=GRACE),
        _kill_worker(chance),
        lambda workers: {each.pid for each in holders(workers)},
        lambda: _sockets_left(folder),
    )


def actor(nodes: Nodes, chance: random.Random) -> Place:
    """Actors of a Ray cluster, which are killed."""
    placement = RayActor(replicas=REPLICAS, num_cpus=0.1, address=nodes.address)
    return Place(placement, _kill_holder(chance), lambda workers: workers.pids, _actors_left)


def node(nodes: Nodes, chance: random.Random) -> Place:
    """Actors on nodes of a Ray cluster, one of which is killed with all that runs on it."""
    resources = (("holds", 1.0),)
    placement = RayActor(
        replicas=REPLICAS, num_cpus=0.1, resources=resources, address=nodes.address
    )
    places = [nodes.add(holds=1) for _ in range(REPLICAS)]

    def strike(workers: Workers) -> None:
        at = chance.randrange(REPLICAS)
        nodes.kill(places[at])
        places[at] = nodes.add(holds=1)

    return Place(placement, strike, lambda workers: workers.pids, _actors_left)


def _actors_left() -> list[str]:
    """More actors than were asked for; all are ended."""
    more = end_actors() - REPLICAS
    return [f"{more} more actors than {REPLICAS}"] if more else []


@contextmanager
def place(kind: str, folder: Path, chance: random.Random) -> Iterator[Place]:
    """Where the engine is shared in a run of a kind."""
    if kind in ("process", "worker"):
        yield {"process": process, "worker": worker}[kind](folder, chance)
        return
    with cluster() as nodes:
        made: Any = {"actor": actor, "node": node}[kind]
        yield made(nodes, chance)
