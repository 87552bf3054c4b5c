"""Many callers for minutes, as it is and accelerated in turns: ``python -m benchmarks.soak``.

Each arm is a process of its own, so that memory and sockets are its own: 16 threads and 200 tasks
ask five engines over a stub LLM. An arm works for a slice of time while the other one waits.

Without pauses the client's cores are the limit, and throughput is what can be compared: the arm
that is quicker in its own code has more requests on their way, and so more sockets. With pauses
(``--pause 20``) both arms answer the same queries in the same time, and what they hold can be
compared: at work, while callers' threads hold what libraries keep for them, and afterwards.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from rich.console import Console
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tests.stub_openai import StubProcess

CALL = 0.05
SETTLED = 2.0
"""Seconds after which is counted what an arm still holds."""
SAMPLES = 20
"""How often it is counted what it holds at work, in a slice."""
AT_LEAST, AT_MOST = 0.97, 1.05
ARMS = ("as it is", "accelerated")


class Held(NamedTuple):
    """What a process holds at one moment; ``rss`` in bytes."""

    rss: int
    sockets: int

    @classmethod
    def now(cls) -> Held:
        """By this process."""
        return cls(_rss(), _sockets())


class Slice(NamedTuple):
    """What one arm did in one slice, and what it held: at work (median), and afterwards."""

    queries: int
    seconds: float
    failed: int
    at_work: Held
    after: Held

    @property
    def throughput(self) -> float:
        """Queries a second."""
        return self.queries / self.seconds


def engines(url: str) -> list[Any]:
    """Five engines of both frameworks."""
    from benchmarks import langchain_cases, llamaindex_cases

    return [
        llamaindex_cases.synthesis_engine(url, "tree_summarize", chunks=4),
        llamaindex_cases.synthesis_engine(url, "accumulate", chunks=4),
        llamaindex_cases.fusion_engine(url, llamaindex_cases.slow_embedding(0.0)),
        langchain_cases.multi_query(url, 0.0),
        langchain_cases.chain(url),
    ]


def work(url: str, accelerated: bool, threads: int, tasks: int) -> None:
    """One arm: a slice for each line of stdin, which says how many seconds it takes."""
    made = engines(url)
    if accelerated:
        from ayo_bridge import accelerate
        from benchmarks.measure import fresh_runtime

        runtime = fresh_runtime()
        made = [accelerate(engine, runtime=runtime) for engine in made]
    loop = asyncio.new_event_loop()  # Async clients live on one loop.
    for line in sys.stdin:
        seconds, pause = map(float, line.split())
        done = _slice(made, loop, seconds, pause, threads, tasks)
        print(json.dumps(done))
        sys.stdout.flush()


def _slice(
    made: list[Any],
    loop: asyncio.AbstractEventLoop,
    seconds: float,
    pause: float,
    threads: int,
    tasks: int,
) -> Slice:
    rng = random.Random(threads)
    numbers = itertools.count()
    began = time.perf_counter()
    ended: list[bool] = []

    def asked(call: Callable[[Any, str], Any]) -> Any:
        number = next(numbers)
        return call(made[number % len(made)], f"What is item {number} about?")

    def left(wanted: float) -> float:
        """A pause of two times what is wanted at most, if there is time for it."""
        return min(rng.uniform(0, 2 * wanted), max(0.0, began + seconds - time.perf_counter()))

    def ask() -> None:
        while time.perf_counter() - began < seconds:
            time.sleep(left(pause))
            try:
                asked(_ask)
                ended.append(True)
            except Exception:
                ended.append(False)

    async def ask_async() -> None:
        while time.perf_counter() - began < seconds:
            await asyncio.sleep(left(pause))
            try:
                await asked(_ask_async)
                ended.append(True)
            except Exception:
                ended.append(False)

    async def all_tasks() -> None:
        await asyncio.gather(*(ask_async() for _ in range(tasks)))

    callers = [threading.Thread(target=ask) for _ in range(threads)]
    for caller in callers:
        caller.start()
    with watched(seconds / SAMPLES) as held:
        loop.run_until_complete(all_tasks())
        for caller in callers:
            caller.join()
    taken = time.perf_counter() - began
    time.sleep(SETTLED)
    at_work = Held(*(int(statistics.median(sizes)) for sizes in zip(*held, strict=True)))
    return Slice(sum(ended), taken, ended.count(False), at_work, Held.now())


@contextmanager
def watched(seconds: float) -> Iterator[list[Held]]:
    """What is held every so many seconds, until the end of the block."""
    held: list[Held] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            held.append(Held.now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield held
    finally:
        over.set()
        watcher.join()


def _ask(engine: Any, question: str) -> Any:
    return engine.query(question) if hasattr(engine, "query") else engine.invoke(question)


def _ask_async(engine: Any, question: str) -> Any:
    return engine.aquery(question) if hasattr(engine, "aquery") else engine.ainvoke(question)


def _rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _sockets() -> int:
    """Connections; the pair of sockets by which an event loop is woken is none."""
    return len(psutil.Process().net_connections("inet"))


class Arm:
    """A process that works in slices."""

    def __init__(self, url: str, accelerated: bool, threads: int, tasks: int) -> None:
        command = [sys.executable, "-m", "benchmarks.soak", "--arm", url]
        command += ["--threads", str(threads), "--tasks", str(tasks)]
        command += ["--accelerated"] * accelerated
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def slice(self, seconds: float, pause: float) -> Slice:
        """Have it work.

        Raises:
            RuntimeError: it has ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds} {pause}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"an arm has ended with status {self._process.wait()}")
        queries, taken, failed, at_work, after = json.loads(line)
        return Slice(queries, taken, failed, Held(*at_work), Held(*after))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def main(
    seconds: Annotated[float, typer.Option(help="How long each arm works in all.")] = 120.0,
    slices: Annotated[int, typer.Option(help="In how many slices.")] = 12,
    threads: Annotated[int, typer.Option(help="Threads that ask.")] = 16,
    tasks: Annotated[int, typer.Option(help="Tasks that ask.")] = 200,
    pause: Annotated[float, typer.Option(help="Seconds between a caller's queries.")] = 0.0,
    arm: Annotated[str, typer.Option(hidden=True)] = "",
    accelerated: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Let both arms work in turns; 1 if the accelerated one is slower or holds more."""
    if arm:
        work(arm, accelerated, threads, tasks)
        return
    console = Console()
    with StubProcess(latency=CALL, lines=True) as stub:
        arms = [Arm(stub.base_url, fast, threads, tasks) for fast in (False, True)]
        try:
            for warm in arms:
                warm.slice(3.0, pause)
            done: list[list[Slice]] = [[], []]
            for turn in range(slices):
                for index in (0, 1) if turn % 2 == 0 else (1, 0):
                    done[index].append(arms[index].slice(seconds / slices, pause))
                console.print(f"slice {turn + 1} of {slices}: {_pair(done, turn):.2f}x")
        finally:
            for one in arms:
                one.close()
    sys.exit(_report(done, console))


def _pair(done: list[list[Slice]], turn: int) -> float:
    return done[1][turn].throughput / done[0][turn].throughput


def _report(done: list[list[Slice]], console: Console) -> int:
    table = Table(box=None)
    for column in ("", *ARMS, "ratio", "met"):
        table.add_column(column, justify="right" if column else "left")
    turns = range(len(done[0]))
    ratio = statistics.median(_pair(done, turn) for turn in turns)
    last = [slices[-1] for slices in done]
    held = {
        "memory at work, MiB": [one.at_work.rss >> 20 for one in last],
        "memory afterwards, MiB": [one.after.rss >> 20 for one in last],
        "sockets at work": [one.at_work.sockets for one in last],
        "sockets afterwards": [one.after.sockets for one in last],
        "failed queries": [sum(one.failed for one in slices) for slices in done],
    }
    met = [ratio >= AT_LEAST]
    rates = [statistics.median(one.throughput for one in slices) for slices in done]
    table.add_row("queries/s", *(f"{rate:.1f}" for rate in rates), f"{ratio:.2f}", _met(met[0]))
    for what, (before, after) in held.items():
        met.append(after <= AT_MOST * before)
        share = f"{after / before:.2f}" if before else ""
        table.add_row(what, str(before), str(after), share, _met(met[-1]))
    console.print(table)
    return 0 if all(met) else 1


def _met(met: bool) -> str:
    return "yes" if met else "[red]NO[/]"


if __name__ == "__main__":
    typer.run(main)
