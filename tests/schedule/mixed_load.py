"""Users with queries of several kinds at one simulated LLM, on a virtual clock.

The kinds are those of the demo, as a server sees them: a tree whose leaves may all go ahead, a
fusion whose second call follows from the first, a refine whose next prompt may be warmed. What goes
ahead, and when, the real :class:`ServerLoad` decides.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from ayo_bridge.schedule import ServerLoad
from ayo_bridge.schedule.limits import AheadLimit
from ayo_bridge.seam import Query
from ayo_bridge.simulate import (
    Batching,
    LLMCosts,
    LLMRequest,
    Prompt,
    SimulatedLLM,
    load_profiles,
    run_virtual,
)

CPU = LLMCosts(0.006, 0.00035, 0.0, 0.006, 0.001, 100_000)
"""A small model on a core: of a prompt every token costs, and a batch brings little."""
GPU = LLMCosts(0.010, 0.00004, 0.0, 0.010, 0.0002, 400_000)
"""A model on a large GPU: eight sequences are decoded nearly as fast as one."""
PAPER = load_profiles().llms["llama-2-7b@1x3090"]

BATCHING = Batching(step_tokens=2048, found_at_once=True)


@dataclass(frozen=True)
class Kind:
    """Calls in turn, each by the tokens of its prompt; answers have 32 to 96.

    The first ``free`` may go ahead at once. Where ``warmed``, the first four fifths of each prompt
    are known when the call before it begins.
    """

    name: str
    prompts: tuple[int, ...]
    free: int = 1
    warmed: bool = False
    before: float = 0.05
    """Seconds of other work before each call, except of a tree's."""


TREE = Kind("tree", (1000, 1000, 1000, 1000, 400), free=4, before=0.0)
FUSION = Kind("fusion", (100, 1000))
REFINE = Kind("refine", (1000, 1000, 1000), warmed=True)
DEMO = (TREE, FUSION, REFINE)


class Ahead:
    """A call that may go ahead."""

    caller: Hashable = None

    def __init__(self, world: World, query: Query, request: LLMRequest, *, warm: bool) -> None:
        self.world, self.query, self.warm = world, query, warm
        self.request = request
        self.done = asyncio.get_running_loop().create_future()
        self.claimed = self.held = False

    def send(self) -> None:
        self.world.ask(replace(self.request, priority=self.world.priority), self._over)

    def waits(self) -> None:
        self.held = True

    def drop(self) -> None:
        pass

    def _over(self) -> None:
        self.done.set_result(None)
        self.world.load.left(self.query, awaited=self.claimed)


@dataclass
class World:
    """One LLM, those who ask it, and how long each query took."""

    llm: SimulatedLLM
    load: ServerLoad
    accelerated: bool
    took: list[tuple[str, float]]
    priority: int = 0
    """Of calls ahead at the server; above 0 they wait there behind all others."""

    def ask(self, request: LLMRequest, then: Callable[[], None]) -> None:
        self.llm.start([self.llm.call(request)], lambda _: then())

    async def user(self, kinds: Sequence[Kind], queries: int, chance: random.Random) -> None:
        await asyncio.sleep(chance.random() / 2)
        for _ in range(queries):
            kind = chance.choice(kinds)
            tokens = [chance.randint(32, 96) for _ in kind.prompts]
            await _Asked(self, kind, tokens, chance.getrandbits(64)).run()

    @property
    def means(self) -> dict[str, float]:
        """Seconds of a query, by kind."""
        kinds = sorted({kind for kind, _ in self.took})
        return {k: statistics.fmean(s for kind, s in self.took if kind == k) for k in kinds}


class _Asked:
    """One query."""

    def __init__(self, world: World, kind: Kind, tokens: list[int], number: int) -> None:
        self.world, self.kind, self.tokens = world, kind, tokens
        self.query = Query(kind.name, number)
        self.share = world.load.draw(kind.name)
        self.offered: list[Ahead] = []

    async def run(self) -> None:
        clock, load, kind = asyncio.get_running_loop().time, self.world.load, self.kind
        began = clock()
        ahead: dict[int, Ahead] = {}
        if self.world.accelerated and kind.free > 1:
            for place in range(kind.free):
                if (offered := self.offer(self.request(place))) is not None:
                    ahead[place] = offered
        for place in range(len(kind.prompts)):
            await asyncio.sleep(kind.before)
            await self.call(place, ahead.get(place))
        if self.offered:
            held = any(each.held for each in self.offered)
            load.learn(kind.name, self.share, clock() - began, sum(self.tokens), held=held)
        load.heard(kind.name, began, lambda: sum(self.tokens))
        self.world.took.append((kind.name, clock() - began))

    async def call(self, place: int, ahead: Ahead | None) -> None:
        load = self.world.load
        if ahead is not None and not load.withdraw(ahead):
            if not ahead.done.done():
                ahead.claimed = True
                load.claimed(self.query)
                await ahead.done
            return
        done = asyncio.get_running_loop().create_future()
        load.begins(self.query)
        self.world.ask(self.request(place), lambda: done.set_result(None))
        if self.world.accelerated and self.kind.warmed and place + 1 < len(self.kind.prompts):
            self.offer(LLMRequest(self.prompt(place + 1)[:1]), warm=True)
        await done
        load.ends(self.query)

    def offer(self, request: LLMRequest, *, warm: bool = False) -> Ahead | None:
        ahead = Ahead(self.world, self.query, request, warm=warm)
        self.offered.append(ahead)
        return ahead if self.world.load.offer(ahead, lambda: self.share) else None

    def request(self, place: int) -> LLMRequest:
        return LLMRequest(self.prompt(place), self.tokens[place])

    def prompt(self, place: int) -> Prompt:
        tokens = self.kind.prompts[place]
        return ((self.query, place), tokens * 4 // 5), ((self.query, place, "end"), tokens // 5)


def simulate(
    costs: LLMCosts,
    users: int,
    queries: int,
    *,
    kinds: Sequence[Kind] = DEMO,
    seed: int = 1,
    limit: Callable[[], AheadLimit] = AheadLimit,
    accelerated: bool = True,
    priority: int = 0,
    made: Callable[[Callable[[], float], AheadLimit], ServerLoad] = ServerLoad,
) -> World:
    """Have users ask so many queries each, the next when the last has its answer."""

    async def main() -> World:
        clock = asyncio.get_running_loop().time
        llm = SimulatedLLM("llm", costs, batching=BATCHING)
        world = World(llm, made(clock, limit()), accelerated, [], priority)
        async with asyncio.TaskGroup() as people:
            for user in range(users):
                chance = random.Random(f"{seed} {user}")
                people.create_task(world.user(kinds, queries, chance))
        return world

    return run_virtual(main())


def throughput(worlds: Sequence[World]) -> float:
    """Queries a second, of closed loops: by Little's law users over the mean time of a query."""
    return 1 / statistics.fmean(seconds for world in worlds for _, seconds in world.took)


def ratios(found: Sequence[World], original: Sequence[World]) -> dict[str, float]:
    """How many times as fast queries are as the original's, by kind, and their throughput."""

    def mean(worlds: Sequence[World], kind: str) -> float:
        return statistics.fmean(s for world in worlds for k, s in world.took if k == kind)

    kinds = dict.fromkeys(kind for world in original for kind in world.means)
    said = {kind: mean(original, kind) / mean(found, kind) for kind in kinds}
    return {"throughput": throughput(found) / throughput(original), **said}
