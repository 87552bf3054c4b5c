"""Many runs on both cores, and what is kept of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final, TypeVar

from rich.progress import Progress

from benchmarks.paper.parameters import parameters
from benchmarks.paper.run import Arrival, Run, poisson, simulate
from benchmarks.paper.system import Models

T = TypeVar("T")
R = TypeVar("R")

NICENESS: Final = 15
WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a figure: workloads on models in an arm at a rate (of each workload).

    ``queries`` are those of each workload and seed; at rate 0 each is alone in the system.
    """

    workloads: tuple[tuple[str, str], ...]
    core: str
    arm: str
    rate: float
    queries: int


@dataclass(frozen=True, slots=True)
class Job:
    """A run: a point with one seed."""

    point: Point
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of each query in order of arrival, and digests of their answers."""

    apps: tuple[str, ...]
    latencies: tuple[float, ...]
    first_tokens: tuple[float, ...]
    answers: tuple[int, ...]
    seconds: float


ALONE: Final = 600.0
"""Seconds between queries that are to be alone."""


def arrivals_of(job: Job) -> list[Arrival]:
    """The arrivals of a run, of all its workloads."""
    given, point = parameters(), job.point
    arrivals: list[Arrival] = []
    for app, dataset in point.workloads:
        workload = given.workload(app, dataset)
        if point.rate:
            arrivals += poisson(workload, point.rate, point.queries, job.seed)
        else:
            arrivals += [Arrival(ALONE * i, workload) for i in range(point.queries)]
    return sorted(arrivals, key=lambda arrival: arrival.at)


def run_job(job: Job) -> tuple[Job, Outcome]:
    """Simulate it."""
    given, point = parameters(), job.point
    models = Models(point.core, given.assistants[point.workloads[0][0]])
    return job, outcome(simulate(given, arrivals_of(job), models, point.arm))


def outcome(run: Run) -> Outcome:
    """What is kept of a run."""
    return Outcome(
        tuple(one.app for one in run.served),
        tuple(one.latency for one in run.served),
        tuple(one.first_token for one in run.served),
        tuple(one.answer for one in run.served),
        run.seconds,
    )


def in_background(
    do: Callable[[T], R], jobs: Sequence[T], label: str, *, jobs_a_process: int | None = None
) -> Iterator[R]:
    """Do all jobs in processes of low priority, with a progress bar; results as they come."""
    workers = min(os.cpu_count() or 1, WORKERS)
    spawn = get_context("spawn")
    with (
        spawn.Pool(workers, os.nice, (NICENESS,), jobs_a_process) as pool,
        Progress() as progress,
    ):
        task = progress.add_task(label, total=len(jobs))
        for made in pool.imap_unordered(do, jobs):
            progress.advance(task)
            yield made


def run_all(
    points: Iterable[Point], seeds: Sequence[int], label: str
) -> dict[Point, list[Outcome]]:
    """Run every point with every seed.

    Raises:
        AssertionError: two arms have answered the same query differently.
    """
    jobs = [Job(point, seed) for point in points for seed in seeds]
    found: dict[Point, dict[int, Outcome]] = defaultdict(dict)
    for job, made in in_background(run_job, jobs, label):
        found[job.point][job.seed] = made
    _same_answers(found)
    return {point: [made[seed] for seed in seeds] for point, made in found.items()}


def _same_answers(found: dict[Point, dict[int, Outcome]]) -> None:
    known: dict[object, tuple[str, tuple[int, ...]]] = {}
    for point, made in found.items():
        for seed, each in made.items():
            key = point.workloads, point.core, point.rate, point.queries, seed
            other, answers = known.setdefault(key, (point.arm, each.answers))
            if answers != each.answers:
                raise AssertionError(f"{point.arm} answers otherwise than {other}: {key}")


def statistics(outcomes: Sequence[Outcome], app: str | None = None) -> dict[str, float]:
    """Mean and percentiles (s) over all queries of all seeds, or of those of one app."""
    chosen = [
        (latency, first)
        for each in outcomes
        for name, latency, first in zip(each.apps, each.latencies, each.first_tokens, strict=True)
        if app in (None, name)
    ]
    latencies = sorted(latency for latency, _ in chosen)
    return {
        "mean": round(sum(latencies) / len(latencies), 4),
        "p50": round(percentile(latencies, 50), 4),
        "p95": round(percentile(latencies, 95), 4),
        "p99": round(percentile(latencies, 99), 4),
        "first_token": round(sum(first for _, first in chosen) / len(chosen), 4),
        "seconds": round(sum(each.seconds for each in outcomes) / len(outcomes), 3),
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """Of sorted values, interpolated between neighbours."""
    at = (len(values) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)
