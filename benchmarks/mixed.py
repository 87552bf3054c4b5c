"""Users with queries of three kinds at one LLM server: ``python -m benchmarks.mixed``.

The demo's engines (a tree of eight chunks, a fusion of four queries, a chat refine of four) over an
emulated server or a real vLLM on one core, as they are and accelerated in turns of a few queries a
user; both arms are asked the same. How much runs ahead is found while it is measured, so the first
turns are part of it.

As many queries a second as the server answers for a crowd of users of the original are what any
order of the same calls could reach with fewer: the column "full".
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from ayo_bridge.serving.emulated import EmulatedServer
from benchmarks.cores import share_cores
from benchmarks.measure import Call, fresh_runtime, write
from tests.schedule.mixed_load import CPU, PAPER

PROFILES: Final = {"7B": PAPER, "CPU": CPU}
"""The published LLM of the paper on one GPU, and a small model on a core."""
REAL: Final = "vLLM"
"""A real server, of an untrained Llama in float32: noise, and the same noise for both arms."""
ANSWER: Final = 64
"""Tokens of its answers at most, about as many as the emulated ones have."""
AT_LEAST: Final = 0.97
CROWD: Final = 32
"""Users who leave the server no moment without work."""
MODEL: Final = "stub"
KINDS: Final = ("tree", "fusion", "refine")
Arms = Mapping[str, Call]


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: its kind and how long it took."""

    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one profile with so many users; ratios are original to accelerated."""

    profile: str
    users: int
    original: Sequence[Asked]
    accelerated: Sequence[Asked]
    throughput: float
    full: float
    """Queries a second of a crowd, over those of the original's users; NaN: not measured."""
    identical: bool

    def mean(self, kind: str = "") -> float:
        """How many times as fast queries are in the mean; of all kinds without a ``kind``."""
        return _mean(self.original, kind) / _mean(self.accelerated, kind)

    @property
    def p95(self) -> float:
        """The same of the 95th percentile."""
        before, after = ([a.seconds for a in arm] for arm in (self.original, self.accelerated))
        return _p95(before) / _p95(after)

    @property
    def met(self) -> bool:
        """Whether no kind is slower than it may be, and every answer was the same."""
        return self.identical and not any(self.mean(kind) < AT_LEAST for kind in KINDS)


def _mean(arm: Sequence[Asked], kind: str) -> float:
    seconds = [each.seconds for each in arm if each.kind == kind or not kind]
    return statistics.fmean(seconds) if seconds else math.nan


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]


def engines(url: str) -> dict[str, Any]:
    """The three, by kind."""
    from benchmarks.llamaindex_cases import fusion_engine, slow_embedding, synthesis_engine

    return {
        "tree": synthesis_engine(url, "tree_summarize"),
        "fusion": fusion_engine(url, slow_embedding(0.0)),
        "refine": synthesis_engine(url, "refine", chunks=4, chat=True),
    }


@contextmanager
def serving(
    profile: str, speed: float, core: int | None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server's URL, and what makes it forget the prompts that it has read."""
    if profile != REAL:
        costs = PROFILES[profile]
        with EmulatedServer(costs, model=MODEL, speed=speed, output_tokens=(32, 96)) as server:
            yield server.url, lambda: None
        return
    from benchmarks.untrained import untrained_server
    from examples.demo.engines import ServerGauge

    most = json.dumps({"max_new_tokens": ANSWER})
    with untrained_server(
        served_name=MODEL,
        cores=[] if core is None else [core],
        extra_args=["--override-generation-config", most],
    ) as real:
        gauge = ServerGauge(real)

        def forget() -> None:
            gauge.settled_requests()
            gauge.empty_prefix_cache()

        yield real.url, forget


def measure(
    profile: str,
    users: int,
    turns: int,
    queries: int,
    speed: float,
    core: int | None,
    *,
    crowd: bool,
) -> Row:
    """Both arms in turns over one server; each user asks so many ``queries`` a turn."""
    from ayo_bridge import accelerate
    from benchmarks.llamaindex_cases import asking

    with serving(profile, speed, core) as (url, forget):
        original, runtime = engines(url), fresh_runtime()
        fast = {kind: accelerate(each, runtime=runtime) for kind, each in original.items()}
        arms: list[Arms] = [
            {kind: asking(each) for kind, each in arm.items()} for arm in (original, fast)
        ]
        for arm in arms:  # Libraries are imported, connections made.
            for kind in KINDS:
                arm[kind]("What is there?")
        asked: tuple[list[Asked], list[Asked]] = [], []
        answers: tuple[dict[str, str], dict[str, str]] = {}, {}
        seconds = [0.0, 0.0]
        for turn in range(turns):
            for at in (0, 1) if turn % 2 == 0 else (1, 0):
                forget()  # Else whoever is second finds its prompts read.
                took, found = _turn(arms[at], turn, users, queries, answers[at])
                asked[at].extend(found)
                seconds[at] += took
        full = math.nan
        if crowd:
            forget()
            took, found = _turn(arms[0], turns, CROWD, queries, {})
            full = len(found) / took / (len(asked[0]) / seconds[0])
        for load in runtime.loads.values():
            print(f"{profile}, {users} users: {load.description}", file=sys.stderr)
        runtime.close()
    identical = answers[0] == answers[1]
    return Row(profile, users, *asked, seconds[0] / seconds[1], full, identical)


def _turn(
    arm: Arms, turn: int, users: int, queries: int, answers: dict[str, str]
) -> tuple[float, list[Asked]]:
    """All users ask at once; how long it took until the last had its answers, and each query."""
    began = time.perf_counter()
    with ThreadPoolExecutor(users) as pool:
        todo = [
            pool.submit(_user, arm, f"{turn} {user}", queries, answers) for user in range(users)
        ]
        found = [each for user in todo for each in user.result()]
    return time.perf_counter() - began, found


def _user(arm: Arms, name: str, queries: int, answers: dict[str, str]) -> list[Asked]:
    chance, took = random.Random(name), []
    for number in range(queries):
        kind = chance.choice(KINDS)
        question = f"What is item {number} about, user {name}?"
        began = time.perf_counter()
        answers[f"{kind}: {question}"] = arm[kind](question)
        took.append(Asked(kind, time.perf_counter() - began))
    return took


def main(
    profile: Annotated[list[str] | None, typer.Option(help="7B, CPU; vLLM.")] = None,
    users: Annotated[list[int] | None, typer.Option(help="How many ask at once.")] = None,
    turns: Annotated[int, typer.Option(help="Turns of each arm.")] = 10,
    queries: Annotated[int, typer.Option(help="Queries of each user in a turn.")] = 4,
    speed: Annotated[float, typer.Option(help="Model seconds in a second.")] = 4.0,
    crowd: Annotated[bool, typer.Option(help=f"Ask by {CROWD} users too.")] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
) -> None:
    """Measure all; 1 if a kind of query is slower than it may be."""
    core = share_cores()
    rows = [
        measure(name, number, turns, queries, speed, core, crowd=crowd)
        for name in profile or list(PROFILES)
        for number in users or [1, 4, 8]
    ]
    table = Table(box=None, title="all but vLLM emulated; times as fast as the original")
    for column in ("LLM", "users", "throughput", "full", "mean", "p95", *KINDS, "met"):
        table.add_column(column, justify="right")
    for row in rows:
        figures = (row.throughput, row.full, row.mean(), row.p95, *map(row.mean, KINDS))
        met = "yes" if row.met else "[red]NO[/]" if row.identical else "[red]answers DIFFER[/]"
        table.add_row(row.profile, str(row.users), *(f"{f:.2f}x" for f in figures), met)
    Console().print(table)
    write(json_file, {f"{row.profile} {row.users}": asdict(row) for row in rows})
    sys.exit(0 if all(row.met for row in rows) else 1)


if __name__ == "__main__":
    typer.run(main)
