"""Replicas killed under load: ``python -m tests.faults.replicas --seconds 120 --every 5``."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import ExitStack
from typing import Annotated

import psutil
import typer

from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.simulate import LLMCosts
from tests.faults.replicas.killing import under_fire

COSTS = LLMCosts(0.005, 5e-5, 0.0, 0.008, 2e-4, 200_000)


def main(
    seconds: Annotated[float, typer.Option(help="How long users ask.")] = 120.0,
    every: Annotated[float, typer.Option(help="Seconds between two kills.")] = 5.0,
    replicas: Annotated[int, typer.Option(help="Servers.")] = 3,
    users: Annotated[int, typer.Option(help="Threads that ask.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the victims.")] = 1,
) -> None:
    """Kill a replica with SIGKILL again and again; 1 if an answer was wrong or missing."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(EmulatedServer(COSTS, model="killed", output_tokens=12))
            for _ in range(replicas)
        ]

        def strike() -> None:
            victim = chance.choice(servers)
            assert victim.pid is not None
            time.sleep(every / 2)
            os.kill(victim.pid, signal.SIGKILL)
            time.sleep(every / 2)
            victim.close()
            victim.start()

        here = psutil.Process()
        threads, files = here.num_threads(), here.num_fds()
        seen = under_fire(
            [server.url for server in servers], "killed", strike, seconds=seconds, users=users
        )
        left = f"threads {threads} -> {here.num_threads()}, files {files} -> {here.num_fds()}"
    print(f"{seen}; {left}")
    sys.exit(int(bool(seen.wrong or seen.failed or not seen.hits)))


if __name__ == "__main__":
    typer.run(main)
