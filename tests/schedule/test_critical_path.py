"""The policy against the paper's, on the virtual clock: the paper's advanced app under load."""

from __future__ import annotations

import asyncio
import random
import statistics

import pytest

from ayo_bridge.simulate import run_virtual
from benchmarks.advanced_app import advanced, inputs, simulated


def latencies(policy: str, rate: float, queries: int, spread: float = 0.0) -> list[float]:
    """Seconds of each query, in rising order; ``rate`` is queries a second."""

    async def main() -> list[float]:
        app, chance = simulated(policy), random.Random(1)

        async def one(number: int, arrival: float, size: float) -> float:
            await asyncio.sleep(arrival)
            chunks, tokens = max(round(20 * size), 3), max(round(48 * size), 1)
            workflow = advanced(chunks=chunks, answer_tokens=tokens)
            return (await app.submit(inputs(number, chunks), workflow)).seconds

        arrival, queued = 0.0, []
        for number in range(queries):
            arrival += chance.expovariate(rate)
            queued.append(one(number, arrival, chance.lognormvariate(0.0, spread)))
        return await asyncio.gather(*queued)

    return sorted(run_virtual(main()))


def mean_and_p95(sorted_seconds: list[float]) -> tuple[float, float]:
    return statistics.fmean(sorted_seconds), sorted_seconds[int(len(sorted_seconds) * 0.95)]


@pytest.mark.parametrize(
    ("rate", "queries", "spread", "at_most"),
    [(0.1, 20, 0.0, 1.01), (1.2, 60, 0.0, 0.95), (4.0, 90, 0.5, 0.95)],
)
def test_it_is_better_under_load_and_not_worse_without(
    rate: float, queries: int, spread: float, at_most: float
) -> None:
    topology = mean_and_p95(latencies("topology", rate, queries, spread))
    ours = mean_and_p95(latencies("critical_path", rate, queries, spread))
    assert ours[0] <= at_most * topology[0], "mean"
    assert ours[1] <= at_most * topology[1], "p95"
