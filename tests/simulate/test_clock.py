"""Virtual time, and the paper's Fig. 7 run on it by the real scheduler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from ayo_bridge.schedule import POLICIES, EngineScheduler, LoopPlacement
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.simulate import PacedClockLoop, run_virtual


def test_sleeping_takes_exactly_as_long_as_it_says() -> None:
    async def main() -> float:
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 3600.0


def test_time_outs_keep_to_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), 2.5)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 2.5


def test_a_wait_that_can_never_end_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="virtual time stands still"):
        run_virtual(main())


def test_a_clock_that_keeps_pace_runs_timers_at_their_very_times() -> None:
    """Ten steps of 2 ms, each set from the last; in the third the process is held up."""
    at: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        start = loop.time()

        def step() -> None:
            at.append(loop.time() - start)
            if len(at) == 3:
                time.sleep(0.03)
                assert loop.late() >= 0.02  # type: ignore[attr-defined]
            if len(at) == 10:
                ended.set()
            else:
                loop.call_at(loop.time() + 0.002, step)

        loop.call_at(start + 0.002, step)
        await ended.wait()

    with asyncio.Runner(loop_factory=PacedClockLoop) as runner:
        runner.run(main())
    assert at == pytest.approx([0.002 * count for count in range(1, 11)], abs=1e-12)


def test_a_clock_of_another_speed_is_never_ahead_of_the_real_one() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(2.0)
        return loop.time() - start

    with asyncio.Runner(loop_factory=lambda: PacedClockLoop(100.0)) as runner:
        began = time.monotonic()
        assert runner.run(main()) == pytest.approx(2.0, abs=0.5)
        assert time.monotonic() - began >= 0.02


@dataclass
class PrefillEngine(AsyncEngine):
    """Fig. 7's engine: 512 tokens take 0.5 s, twice as many 0.8 s."""

    name: str = "llm"
    kind: EngineKind = EngineKind.LLM
    limits: Limits = field(default_factory=lambda: Limits(max_items=1024))

    async def serve(self, call: Call) -> object:
        raise NotImplementedError

    async def prefill(self, calls: Sequence[Call]) -> None:
        await asyncio.sleep(0.5 if sum(call.items for call in calls) <= 512 else 0.8)


class Batches(LoopPlacement):
    """Runs a batch as one."""

    def start(
        self,
        engine: object,
        calls: Sequence[Call],
        done: Callable[[Sequence[object]], None],
        abortable: Callable[[Callable[[], None]], object],
    ) -> None:
        async def run() -> None:
            await engine.prefill(calls)  # type: ignore[attr-defined]
            done([None for _ in calls])

        task = asyncio.get_running_loop().create_task(run())
        abortable(cast("Callable[[], None]", task.cancel))


@pytest.mark.parametrize(
    ("policy", "triggers"),
    [("topology", (0.8, 0.8)), ("throughput", (0.8, 1.3))],
)
def test_fig_7_next_triggers(policy: str, triggers: tuple[float, float]) -> None:
    """Each query's next primitive is triggered when its deepest prefill has ended.

    The engine is busy until all four are queued. For the blind policy the second query's trigger
    is H, which its second batch has to share with G; the paper counts it at 0.5 s after 0.8 s.
    """

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        engine = PrefillEngine()
        tier = EngineScheduler(engine, POLICIES[policy], Batches(loop), loop.time)
        ended: dict[str, float] = {}

        def submit(node: str, query: int, depth: int) -> None:
            def note(request: object) -> None:
                ended[node] = loop.time()

            call = Call("llm", node, None, items=512, group="prefill")
            tier.submit(
                call,
                query=query,
                node=node,
                depth=depth,
                on_done=note,
            )

        tier._running = 1  # the engine is busy while the four arrive
        queue = [("A", 0, 4), ("B", 0, 2), ("H", 1, 4)]
        for node, query, depth in queue:
            submit(node, query, depth)
        tier._running = 0
        tier._dispatch()
        while "H" not in ended or "A" not in ended:
            await asyncio.sleep(0.1)
        return round(ended["A"], 6), round(ended["H"], 6)

    assert run_virtual(main()) == triggers
