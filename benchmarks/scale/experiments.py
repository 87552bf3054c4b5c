"""The experiments: what is varied, and what is kept of each run."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.paper.jobs import in_background
from benchmarks.scale.cost import costs
from benchmarks.scale.routers import (
    CACHE_AWARE,
    LEAST_DELAY,
    LEAST_OUTSTANDING,
    PREFIX,
    ROUND_ROBIN,
)
from benchmarks.scale.run import Outcome, Setup, simulate

Json = dict[str, Any]
COMPARED: Final = (ROUND_ROBIN, LEAST_OUTSTANDING, CACHE_AWARE, PREFIX)
ALL: Final = (*COMPARED[:3], LEAST_DELAY, PREFIX)
UTILISATION: Final = 0.8
SIZES: Final = (1, 4, 16, 64, 256, 1000)
QUERIES: Final = {1: 1_000, 4: 2_000, 16: 3_000, 64: 4_000, 256: 6_400, 1000: 20_000}
"""At so many replicas. At the largest sizes the queues are still growing when the last one comes:
routers are compared at a size, not sizes."""
LONG: Final = 100_000
"""Queries of the run that shows what the simulation itself takes."""
_COLLECTED: Final = 100_000
"""New objects after which garbage is looked for; each time all that live are looked at."""
SWEPT: Final = 16
SWEPT_QUERIES: Final = 1_500
LOADS: Final = (0.3, 0.5, 0.7, 0.9)
SHARED: Final = 64
PROCESSES: Final = (1, 4, 16)
SHARED_QUERIES: Final = 3_200
CAPACITY: Final = Setup(ROUND_ROBIN, 1, 2_000, 0.0)
"""What one replica ends in a second if all come at once: utilisation 1."""


def capacity() -> float:
    """Queries/s of one replica that always has enough to do."""
    return CAPACITY.queries / simulate(CAPACITY).seconds


def sizes() -> Json:
    """Every router at every size."""
    most = capacity()
    setups = [
        Setup(router, count, QUERIES[count], UTILISATION * most * count)
        for count in SIZES
        for router in (COMPARED if count > 1 else (ROUND_ROBIN,))
    ]
    return {"capacity": round(most, 4), "utilisation": UTILISATION, "runs": list(_runs(setups))}


def long() -> Json:
    """Many queries at the largest size: what the simulation itself takes."""
    setup = Setup(PREFIX, SIZES[-1], LONG, UTILISATION * capacity() * SIZES[-1])
    return {"utilisation": UTILISATION, "runs": list(_runs([setup]))}


def loads() -> Json:
    """Every router at every load."""
    most = capacity()
    setups = [
        Setup(router, SWEPT, SWEPT_QUERIES, load * most * SWEPT) for load in LOADS for router in ALL
    ]
    loads_of = {load * most * SWEPT: load for load in LOADS}
    runs = [run | {"utilisation": loads_of[run["rate"]]} for run in _runs(setups)]
    return {"replicas": SWEPT, "runs": runs}


def processes() -> Json:
    """The same queries from one process, and from several that see only what they send."""
    rate = UTILISATION * capacity() * SHARED
    setups = [
        Setup(router, SHARED, SHARED_QUERIES, rate, processes=count)
        for count in PROCESSES
        for router in (LEAST_OUTSTANDING, PREFIX)
    ]
    return {"replicas": SHARED, "utilisation": UTILISATION, "runs": list(_runs(setups))}


def cost() -> Json:
    """CPU time of a query's decisions, and what follows for one process."""
    return {"capacity": round(capacity(), 4), "utilisation": UTILISATION, **costs(SIZES)}


EXPERIMENTS: Final = {
    "sizes": sizes,
    "long": long,
    "loads": loads,
    "processes": processes,
    "cost": cost,
}


def _runs(setups: list[Setup]) -> Iterator[Json]:
    longest_first = sorted(setups, key=lambda setup: -setup.queries)
    # Each in a process of its own: what memory it takes is to be seen.
    found = dict(in_background(_run, longest_first, "runs", jobs_a_process=1))
    return (found[setup] for setup in setups)


def _run(setup: Setup) -> tuple[Setup, Json]:
    gc.set_threshold(_COLLECTED)
    return setup, figures(setup, simulate(setup))


def figures(setup: Setup, outcome: Outcome) -> Json:
    """What is kept of a run. Times are virtual seconds but for the simulation's own."""
    every = outcome.every
    calls = outcome.calls
    mean_calls = sum(calls) / len(calls)
    return {
        "router": setup.router,
        "replicas": setup.replicas,
        "processes": setup.processes,
        "queries": setup.queries,
        "rate": setup.rate,
        "mean": _mean(every),
        "mean_by_shape": {shape: _mean(each) for shape, each in outcome.latencies.items()},
        "prefilled": round((outcome.prompt_tokens - outcome.cached_tokens) / setup.queries, 1),
        "cached": round(outcome.cached_tokens / outcome.prompt_tokens, 4),
        "begun_ahead": outcome.begun_ahead,
        "found": outcome.found,
        "least_calls": round(min(calls) / mean_calls, 3),
        "most_calls": round(max(calls) / mean_calls, 3),
        "cpu_seconds": round(outcome.cpu, 1),
        "memory_mib": [size >> 20 for size in outcome.memory],
    }


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)
