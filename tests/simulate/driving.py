"""Drives simulated engines through the real engine scheduler, from arrival times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from ayo_bridge.schedule import EngineScheduler, Request
from ayo_bridge.seam import Call
from ayo_bridge.simulate import (
    Busy,
    LLMCosts,
    LLMRequest,
    SimulatedEngine,
    SimulatedLLM,
    run_virtual,
    virtual_scheduler,
)

COSTS = LLMCosts(
    prefill_base=0.010,
    prefill_per_token=0.001,
    prefill_per_pair=0.0,
    decode_base=0.020,
    decode_per_sequence=0.001,
    kv_tokens=1600,
)
"""Round figures: 10 ms a step and 1 ms a token; decoding 20 ms, 1 ms more a further sequence."""


@dataclass
class Outcome:
    """What happened to the calls, by place: ``ended`` is seconds, ``result`` may be an error."""

    ended: list[float]
    result: list[object]
    busy: list[Busy] = field(default_factory=list)


def drive(
    make: Callable[[list[Busy]], SimulatedEngine],
    arrivals: Sequence[tuple[float, Call]],
    *,
    aborts: Sequence[tuple[float, int]] = (),
    policy: str = "throughput",
    delay: float = 0.0,
) -> Outcome:
    """Submit each call at its time; abort by time and place; return when all have ended."""
    outcome = Outcome([-1.0] * len(arrivals), [None] * len(arrivals))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        scheduler = virtual_scheduler(make(outcome.busy), policy, delay=delay)
        all_ended = asyncio.Event()
        requests: dict[int, Request] = {}

        def submit(place: int, call: Call) -> None:
            request = scheduler.submit(
                call, query=place, node="node", on_done=lambda _: note_end(place)
            )
            requests[place] = request
            request.future.add_done_callback(lambda future: note_result(place, future))

        def abort(place: int) -> None:
            scheduler.cancel(requests[place])

        def note_end(place: int) -> None:
            outcome.ended[place] = loop.time()

        def note_result(place: int, future: Future[object]) -> None:
            if future.cancelled():
                outcome.result[place] = "cancelled"
            else:
                outcome.result[place] = future.exception() or future.result()
            if min(outcome.ended) >= 0:
                all_ended.set()

        def submit_all(when: float) -> None:
            for place, (arrival, call) in enumerate(arrivals):
                if arrival == when:
                    submit(place, call)

        for when in {when for when, _ in arrivals}:
            loop.call_at(when, submit_all, when)
        for when, place in aborts:
            loop.call_at(when, abort, place)
        await all_ended.wait()
        check_idle(scheduler)

    run_virtual(main())
    return outcome


def check_idle(scheduler: EngineScheduler) -> None:
    """Nothing is held once everything has ended."""
    assert scheduler.depth == scheduler.running == 0
    if isinstance(scheduler.engine, SimulatedLLM):
        for instance in scheduler.engine.instances:
            assert instance.outstanding == 0
            assert instance.kv.held == 0
            assert not instance._coming


def llm_calls(
    requests: Sequence[tuple[float, LLMRequest]], *, warm: Sequence[int] = ()
) -> list[tuple[float, Call]]:
    """Calls for an LLM named ``llm`` that batches continuously."""
    maker = SimulatedLLM("llm", COSTS)
    return [
        (when, maker.call(request, key=place, warm=place in warm))
        for place, (when, request) in enumerate(requests)
    ]
