"""What routing is worth to many users: the router over simulated replicas, in virtual time.

Three workflows ask as accelerated objects do: prefix warms, parallel leaves, the original's own
calls. They arrive at random, at 80 % of what least outstanding requests can serve.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.schedule.routing import Prompt as Asked
from ayo_bridge.schedule.routing import Router, Routing
from ayo_bridge.seam import Usage
from ayo_bridge.simulate import Batching, LLMCosts, LLMRequest, Prompt, load_profiles, run_virtual
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.iterations import Instance
from ayo_bridge.simulate.requests import block_hashes
from ayo_bridge.simulate.trace import no_trace

PROFILE: Final = "llama-2-7b@1x3090"
REPLICAS: Final = 4
UTILISATION: Final = 0.8
KV_TOKENS: Final = 65_536
ARMS: Final = (
    *(Routing.ROUND_ROBIN, Routing.LEAST_OUTSTANDING, Routing.LEAST_DELAY, Routing.PREFIX),
)
_CHUNK: Final = 32
_HEAD, _NOTE, _ANSWER = 3, 11, 2
"""Chunks of the words that all prompts of a kind begin with, of a note, and of an answer."""

Part = tuple[Hashable, int]
"""Name and chunks of a part of a prompt."""


class Replicas:
    """Simulated servers and the router before them."""

    def __init__(self, costs: LLMCosts, routing: Routing) -> None:
        batching = Batching(step_tokens=2048, found_at_once=True)
        self._block = batching.block
        self._instances = [
            Instance(f"{at}", at, costs, batching, no_trace) for at in range(REPLICAS)
        ]
        self._router = Router(REPLICAS, routing)
        self._numbers = itertools.count()

    async def ask(self, *parts: Part, tokens: int = _ANSWER * _CHUNK, warm: bool = False) -> None:
        """Have a prompt of these parts answered; a ``warm`` is only prefilled."""
        loop = asyncio.get_running_loop()
        names = [(name, at) for name, chunks in parts for at in range(chunks)]
        prompt: Prompt = tuple((name, _CHUNK) for name in names)
        chain, known = [], 0
        for name in names:
            known = hash((known, name))
            chain.append(known)
        asked = Asked(tuple(chain), float(len(names) * _CHUNK), 0, warm)
        number = self._router.choose(asked, loop.time())
        assert number is not None
        began, sent = loop.time(), self._router.begins(number, asked, loop.time())
        ended: asyncio.Future[object] = loop.create_future()
        first: list[float] = []
        request = LLMRequest(
            prompt,
            1 if warm else tokens,
            marks=(1,),
            on_mark=lambda _: first.append(loop.time() - began),
        )
        order = (int(warm), 0, next(self._numbers))
        hashes = block_hashes(prompt, self._block)
        generation = Generation(request, order, ended.set_result, hashes)
        self._instances[number].add(generation)
        await ended
        usage = Usage(generation.length, request.tokens, generation.cached)
        self._router.ends(sent, loop.time(), usage, first[0] if first else None)


async def refine(replicas: Replicas, seed: Hashable, notes: int = 4) -> None:
    """Note after note; the next prompt is prefilled while an answer is decoded."""
    warms = []
    for at in range(notes):
        begun = (("refine" if at else "first", _HEAD), ((seed, "note", at), _NOTE))
        if at + 1 < notes:
            parts = (("refine", _HEAD), ((seed, "note", at + 1), _NOTE))
            warms.append(asyncio.ensure_future(replicas.ask(*parts, warm=True)))
        await replicas.ask(*begun, *([((seed, "answer", at), _ANSWER)] if at else []))
    await asyncio.gather(*warms)


async def tree(replicas: Replicas, seed: Hashable, leaves: int = 6) -> None:
    """All leaves at once, then one answer of theirs."""
    await asyncio.gather(
        *(replicas.ask(("leaf", _HEAD), ((seed, "note", at), _NOTE)) for at in range(leaves))
    )
    await replicas.ask(("leaf", _HEAD), ((seed, "answers"), leaves * _ANSWER))


async def sub_question(replicas: Replicas, seed: Hashable) -> None:
    """A plan, its questions, each refined over two notes, and one answer of theirs."""
    await replicas.ask(("plan", 10), ((seed, "question"), 1))
    await asyncio.gather(*(refine(replicas, (seed, at), 2) for at in range(3)))
    await replicas.ask(("first", _HEAD), ((seed, "answers"), 3 * _ANSWER))


Workflow = Callable[[Replicas, Hashable], Awaitable[None]]
WORKFLOWS: Final[dict[str, Workflow]] = {
    "refine": refine,
    "tree": tree,
    "sub-question": sub_question,
}


@dataclass(frozen=True, slots=True)
class Load:
    """How a workflow is asked: ``rate`` queries a second, of which the first tenth only warm up."""

    workflow: Workflow
    rate: float
    queries: int
    seed: int


def costs() -> LLMCosts:
    """Those of the profile, with a larger cache."""
    from dataclasses import replace

    return replace(load_profiles().llms[PROFILE], kv_tokens=KV_TOKENS)


def capacity(workflow: Workflow, queries: int) -> float:
    """Queries a second that least outstanding requests can serve."""

    async def closed() -> float:
        replicas, numbers = Replicas(costs(), Routing.LEAST_OUTSTANDING), iter(range(queries))

        async def user() -> None:
            for number in numbers:
                await workflow(replicas, number)

        await asyncio.gather(*(user() for _ in range(16 * REPLICAS)))
        return queries / asyncio.get_running_loop().time()

    return run_virtual(closed())


def latencies(load: Load, routing: Routing) -> Sequence[float]:
    """Seconds of each query."""

    async def opened() -> Sequence[float]:
        replicas, chance = Replicas(costs(), routing), random.Random(load.seed)
        loop = asyncio.get_running_loop()

        async def one(number: int) -> float:
            began = loop.time()
            await load.workflow(replicas, number)
            return loop.time() - began

        tasks = []
        for number in range(load.queries):
            tasks.append(asyncio.ensure_future(one(number)))
            await asyncio.sleep(chance.expovariate(load.rate))
        return (await asyncio.gather(*tasks))[load.queries // 10 :]

    return run_virtual(opened())


def under_load(queries: int, seeds: int) -> None:
    """Print mean latencies by workflow and routing."""
    print(f"{REPLICAS} replicas of {PROFILE}, virtual time, {queries} queries, {seeds} seeds")
    for name, workflow in WORKFLOWS.items():
        rate = UTILISATION * capacity(workflow, queries)
        means: dict[str, float] = {}
        for routing in ARMS:
            took = [
                seconds
                for seed in range(seeds)
                for seconds in latencies(Load(workflow, rate, queries, seed), routing)
            ]
            means[routing] = statistics.mean(took)
            tail = statistics.quantiles(took, n=20)[-1]
            print(
                f"{name:13}{routing:18} {rate:5.2f} queries/s: mean {means[routing]:6.2f} s, "
                f"p95 {tail:6.2f} s",
                flush=True,
            )
        others = ", ".join(
            f"{mean / means[Routing.PREFIX]:.2f}x {arm}"
            for arm, mean in means.items()
            if arm != Routing.PREFIX
        )
        print(f"{name:13}prefix against the others: {others}", flush=True)
