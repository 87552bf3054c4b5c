"""Steps that pass as one event: what comes of them is what single steps bring."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from ayo_bridge.simulate import Batching, LLMCosts, LLMRequest, run_virtual
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.iterations import Instance
from ayo_bridge.simulate.requests import block_hashes
from ayo_bridge.simulate.trace import no_trace

BATCHING = Batching(step_tokens=256, max_sequences=24)
Ends = dict[tuple[int, str], float]
"""By request: when it was aborted or ended, and when each of its marks was there; seconds."""


class StepByStep(Instance):
    """Every step is an event of its own, as in a real engine."""

    def _to_next_stop(self) -> int:
        return min(super()._to_next_stop(), 1)


def costs(decode_per_context: float) -> LLMCosts:
    return LLMCosts(0.01, 1e-4, 1e-8, 0.02, 0.001, 6400, decode_per_context=decode_per_context)


def run(make: Callable[..., Instance], decode_per_context: float, seed: int) -> Ends:
    """200 requests with shared beginnings, some with marks, some of them aborted."""
    chance, ends = random.Random(seed), Ends()

    async def main() -> Instance:
        loop, all_ended = asyncio.get_running_loop(), asyncio.Event()
        instance = make("llm", 0, costs(decode_per_context), BATCHING, no_trace)
        left = 200

        def begin(number: int) -> None:
            tokens = chance.randrange(1, 300)
            marks = tuple(sorted(chance.sample(range(1, tokens + 1), min(tokens, 3))))
            request = LLMRequest(
                ((chance.randrange(5), chance.randrange(1, 400)), (-1 - number, 50)),
                tokens,
                marks=marks if number % 3 == 0 else (),
                on_mark=lambda i: ends.update({(number, f"mark {i}"): loop.time()}),
            )

            def finish(result: object) -> None:
                nonlocal left
                left -= 1
                ends[number, type(result).__name__] = loop.time()
                if left == 0:
                    all_ended.set()

            hashes = block_hashes(request.prompt, BATCHING.block)
            generation = Generation(request, (0, 0, number), finish, hashes)
            instance.add(generation)
            if number % 7 == 0:
                loop.call_later(chance.expovariate(1.0), instance.abort, generation)

        at = 0.0
        for number in range(left):
            at += chance.expovariate(4.0)
            loop.call_at(at, begin, number)
        await all_ended.wait()
        return instance

    instance = run_virtual(main())
    assert (instance.waiting, instance.to_prefill, instance.sequences) == (0, 0, 0)
    assert instance.kv.held == instance.outstanding == 0
    return ends


def test_a_row_of_steps_brings_what_single_steps_bring() -> None:
    assert run(Instance, 0.0, 1) == pytest.approx(run(StepByStep, 0.0, 1), rel=1e-9)


def test_where_reading_the_cache_costs_time_a_row_is_within_1_percent() -> None:
    """Each step of a row is taken to cost what its middle one does, also where the row is cut."""
    rows, steps = run(Instance, 5e-6, 2), run(StepByStep, 5e-6, 2)
    assert rows == pytest.approx(steps, rel=0.01, abs=0.03), "1 %, or one step"
    assert rows != pytest.approx(steps, rel=1e-9)
