"""Workers that share an embedding model and a reranker: ``python -m benchmarks.shared_engines``.

The same service runs under ``uvicorn --workers 4`` in turns: as it is, accelerated with the models
of each worker, and accelerated with one process that all workers share. Measured are questions a
second, latency, how long the workers' event loops were held up, and memory (PSS: a page that n
processes share counts 1/n in each). What is answered has to be the same.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote_plus

import psutil
import typer
from rich.console import Console

from ayo_bridge import SharedProcess
from ayo_bridge.engines.shared.ray_reach import RayActor
from ayo_bridge.serving.ports import free_port
from benchmarks.measure import write
from benchmarks.shared_fusing import (
    MOST_BATCHES,
    MOST_SECONDS,
    PROCESSES,
    TEXTS,
    client_memory,
    fused,
    overhead,
)
from benchmarks.shared_models import EMBED, RERANK, costs, models, question
from benchmarks.shared_tables import WORKLOADS, Arm, Round, bounds, same, show

ARMS = ("original", "private", "shared")
_START_WITHIN = 180.0


async def _get(port: int, path: str) -> Any:
    """A reply, over a connection of its own: the kernel hands them to all workers alike."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    reply = await reader.read()
    writer.close()
    head, _, body = reply.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    return json.loads(body)


@dataclass
class Service:
    """A running one."""

    port: int
    workers: int
    processes: list[psutil.Process]

    async def states(self) -> dict[int, Any]:
        """What each worker says of itself since it was last asked."""
        found: dict[int, Any] = {}
        until = time.monotonic() + _START_WITHIN
        while len(found) < self.workers:
            for state in await asyncio.gather(*(_get(self.port, "/worker") for _ in range(16))):
                known = found.setdefault(state["pid"], state)
                known["lag"] = max(known["lag"], state["lag"])
            if time.monotonic() > until:
                raise TimeoutError(f"{len(found)} of {self.workers} workers answer")
        return found

    async def warm(self, *, shared: bool) -> None:
        """Ask until all workers have answered enough, and share where they are to."""
        until = time.monotonic() + _START_WITHIN
        while True:
            for work in WORKLOADS:
                questions = [f"/{work}?q=warm+{number}" for number in range(8 * self.workers)]
                await asyncio.gather(*(_get(self.port, each) for each in questions))
            states = await self.states()
            if not shared or all(
                len(s["shared"]) == 2 and all(s["shared"]) for s in states.values()
            ):
                return
            if time.monotonic() > until:
                raise TimeoutError(f"not all workers share: {states}")
            await asyncio.sleep(0.5)

    async def load(self, work: str, seconds: float, users: int) -> Round:
        """Users who ask one question after the other."""
        await self.states()
        answers: dict[str, list[float]] = {}
        latencies: list[float] = []
        used = self.cpu()
        began = time.perf_counter()

        async def user(number: int) -> None:
            turn = 0
            while time.perf_counter() - began < seconds:
                text = question(number, turn)
                asked = time.perf_counter()
                answers[text] = await _get(self.port, f"/{work}?q={quote_plus(text)}")
                latencies.append(time.perf_counter() - asked)
                turn += 1

        await asyncio.gather(*map(user, range(users)))
        taken = time.perf_counter() - began
        states = await self.states()
        lag = max(state["lag"] for state in states.values())
        cpu = (self.cpu() - used) / len(latencies)
        return Round(len(latencies) / taken, latencies, lag, cpu, answers)

    def cpu(self) -> float:
        """Processor seconds of all processes so far."""
        main = self.processes[0]
        every = [main, *main.children(recursive=True), *_shared_processes()]
        return float(sum(sum(process.cpu_times()[:2]) for process in every))

    def memory(self) -> dict[str, float]:
        """PSS in MB: of the workers together, and of the shared process."""
        main = psutil.Process(self.processes[0].pid)
        workers = [main, *main.children(recursive=True)]
        return {"workers": _pss(workers), "shared": _pss(_shared_processes())}


def _pss(processes: list[psutil.Process]) -> float:
    return float(sum(process.memory_full_info().pss for process in processes)) / 1e6


def _shared_processes() -> list[psutil.Process]:
    """Those of this benchmark: their sockets are in its own directory."""
    folder = os.environ["XDG_RUNTIME_DIR"]
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "ayo_bridge.serving.shared" in words and any(folder in word for word in words):
            found.append(process)
    return found


@contextmanager
def service(arm: str, workers: int) -> Iterator[Service]:
    """The service of an arm."""
    port = free_port()
    environment = {
        **os.environ,
        "AYO_SHARED_ARM": arm,
        "AYO_SHARED_MODELS": os.pathsep.join(models()),
        "AYO_BRIDGE": "0" if arm in ("original", "libraries") else "",
    }
    command = [sys.executable, "-m", "uvicorn", "benchmarks.shared_app:app", "--no-access-log"]
    command += ["--workers", str(workers), "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port, process)
        yield Service(port, workers, [psutil.Process(process.pid)])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            asyncio.run(_get(port, "/worker"))
            return
        except (OSError, RuntimeError, ValueError):
            time.sleep(0.2)
    raise TimeoutError("the service did not start")


async def _measured(service: Service, arm: str, into: Arm, seconds: float, users: int) -> None:
    await service.warm(shared=arm == "shared")
    for work in WORKLOADS:
        into.rounds.setdefault(work, []).append(await service.load(work, seconds, users))
    into.memory = service.memory()


async def _killing(seconds: float) -> int:
    """Kill the shared process every five seconds; returns how often."""
    killed = 0
    for _ in range(int(seconds // 5)):
        await asyncio.sleep(5.0)
        for process in _shared_processes():
            process.kill()
            killed += 1
    return killed


async def _survives(service: Service, seconds: float, users: int) -> tuple[Round, int]:
    """A load while the shared process is killed; afterwards all workers share one again."""
    await service.warm(shared=True)
    load = asyncio.create_task(service.load("find", seconds, users))
    killed = await _killing(seconds)
    round = await load
    await service.warm(shared=True)
    return round, killed


def main(
    workers: Annotated[int, typer.Option(help="Of uvicorn.")] = 4,
    users: Annotated[int, typer.Option(help="Who ask one question after the other.")] = 32,
    seconds: Annotated[float, typer.Option(help="How long a round takes.")] = 6.0,
    rounds: Annotated[int, typer.Option(help="Services started of each arm, in turns.")] = 3,
    torch_threads: Annotated[int, typer.Option(help="Of torch; 0: its own default.")] = 1,
    only_shared: Annotated[
        bool, typer.Option("--only-shared", help="Leave out accelerated models of each worker.")
    ] = False,
    kill: Annotated[float, typer.Option(help="Seconds of load with kills.")] = 0.0,
    ray: Annotated[
        bool, typer.Option("--ray", help="Measure calls to Ray actors instead.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
) -> None:
    """Measure all arms; 1 if the shared one is too slow, holds up a loop or answers otherwise."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "AYO_TEMPLATES": "0"}
    os.environ["AYO_MEASURE"] = "0"
    if torch_threads:
        os.environ["OMP_NUM_THREADS"] = str(torch_threads)
    console = Console()
    if ray:
        raise typer.Exit(0 if _actors(console) else 1)
    arms = {arm: Arm() for arm in ARMS if arm != "private" or not only_shared}
    with tempfile.TemporaryDirectory(prefix="ayo") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        with service("libraries", workers) as empty:
            asyncio.run(empty.states())
            libraries = empty.memory()["workers"]
        for turn in range(rounds):
            for arm in list(arms)[:: 1 if turn % 2 else -1]:
                with service(arm, workers) as started:
                    asyncio.run(_measured(started, arm, arms[arm], seconds, users))
                _let_end()
        ok = show(console, arms, libraries, bounds(costs((EMBED, RERANK))))
        if kill:
            ok = _killed(console, arms["original"], workers, kill, users) and ok
        ok = _calls(console, SharedProcess(grace=5.0)) and ok
    if json_file is not None:
        figures = {name: asdict(arm) for name, arm in arms.items()}
        for figure in figures.values():
            for measured in figure["rounds"].values():
                for each in measured:
                    del each["answers"]
        write(json_file, {"libraries": libraries, **figures})
    raise typer.Exit(0 if ok else 1)


def _killed(console: Console, original: Arm, workers: int, seconds: float, users: int) -> bool:
    """Whether every answer is there and right while the shared process is killed."""
    with service("shared", workers) as started:
        round, killed = asyncio.run(_survives(started, seconds, users))
    alike = same(original, Arm({"find": [round]}))
    rate, worst = round.per_second, max(round.latencies) * 1000
    console.print(
        f"killed {killed} times: {rate:.0f} a second, longest {worst:.0f} ms, same: {alike}"
    )
    return alike


def _actors(console: Console) -> bool:
    """Calls to actors of a cluster on this machine."""
    ray = importlib.import_module("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet = {"include_dashboard": False, "log_to_driver": False}
    known = ray.init("local", num_cpus=4, _node_ip_address="127.0.0.2", **quiet)
    os.environ["RAY_ADDRESS"] = known.address_info["address"]
    try:
        return _calls(console, RayActor())
    finally:
        ray.shutdown()


def _calls(console: Console, placement: SharedProcess | RayActor) -> bool:
    """How calls are fused, and what one costs beside the engine's work."""
    model = models()[0]
    name = type(placement).__name__
    taken = overhead(placement, model)
    console.print(f"{name}: {taken * 1000:.2f} ms a call")
    batches = fused(placement, model)
    console.print(
        f"{name}: {PROCESSES * TEXTS} texts of {PROCESSES} processes in {batches} batches"
    )
    size = client_memory(placement, model)
    console.print(f"{name}: {size:.0f} MB PSS of a process that asks a model without loading one")
    return taken <= MOST_SECONDS and batches <= MOST_BATCHES


def _let_end() -> None:
    """The shared process ends with its last client."""
    until = time.monotonic() + 30
    while _shared_processes():
        if time.monotonic() > until:
            raise TimeoutError("the shared process did not end")
        time.sleep(0.1)


if __name__ == "__main__":
    typer.run(main)
