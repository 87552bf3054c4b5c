"""A simulated LLM: instances that batch continuously, and the choice between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.schedule.request import Done
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.simulate.costs import LLMCosts
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.iterations import Batching, Instance
from ayo_bridge.simulate.requests import LLMRequest, block_hashes, prompt_tokens
from ayo_bridge.simulate.serving import Abort, fail, serve, start_each, wrong_payload
from ayo_bridge.simulate.trace import Trace, no_trace


class KVCapacityError(AyoBridgeError):
    """A request needs more KV blocks than an instance has, so it could never run."""


Routing = Callable[[Instance, Generation], float]
"""What it would cost to serve a sequence on an instance; it goes where that is least."""


def fewest_tokens(instance: Instance, generation: Generation) -> float:
    """KV tokens outstanding, less those of the prompt that are in the cache or on their way."""
    return instance.outstanding - instance.prefix(generation.hashes)


def least_delay(instance: Instance, generation: Generation) -> float:
    """Seconds lost by all: a prompt holds up every sequence of an instance while it is prefilled.

    And it waits itself for the prompts before it. What of it is in the cache, or on its way there,
    takes no time.
    """
    costs = instance.costs
    fresh = generation.length - min(instance.prefix(generation.hashes), generation.length - 1)
    own = costs.prefill_base + fresh * costs.prefill_per_token
    return own * (1 + instance.sequences) + instance.to_prefill * costs.prefill_per_token


class SimulatedLLM(AsyncEngine):
    """Serves :class:`LLMRequest` payloads; an :class:`~ayo_bridge.seam.engine.AsyncEngine`.

    Args:
        name: the engine's name, as calls and graphs refer to it.
        costs: of one instance.
        instances: how many there are, each with a cache and a queue of its own.
        batching: how an instance forms its steps.
        limits: by default everything is admitted at once and the engine batches by itself. With
            ``continuous=False`` the engine scheduler's batches run to completion, each on one
            instance, the one with the fewest outstanding KV tokens.
        routing: which instance a call goes to, if each is a batch of its own.
        trace: is told of every step.
    """

    kind = EngineKind.LLM
    streams = True
    """Items of an answer can be had while it is being decoded."""

    def __init__(
        self,
        name: str,
        costs: LLMCosts,
        *,
        instances: int = 1,
        batching: Batching | None = None,
        limits: Limits | None = None,
        routing: Routing = fewest_tokens,
        trace: Trace = no_trace,
    ) -> None:
        self.name = name
        self.costs = costs
        self._routing = routing
        self.batching = batching or Batching()
        self.limits = limits or Limits(instances=instances, continuous=True)
        self.caches_prefixes = self.batching.prefix_cache
        self.instances = tuple(
            Instance(name, index, costs, self.batching, trace) for index in range(instances)
        )
        self._numbers = itertools.count()

    def call(self, request: LLMRequest, *, key: Hashable = None, warm: bool = False) -> Call:
        """The call that makes a request.

        Its ``items`` are the KV tokens that it will hold; in batches that run to completion, the
        tokens of its prompt (the paper's token size). Without a ``key`` calls of equal prompt,
        length and output are interchangeable.
        """
        tokens = prompt_tokens(request.prompt)
        continuous = self.limits.continuous
        return Call(
            self.name,
            (self.name, request.prompt, request.tokens, request.output) if key is None else key,
            request,
            items=tokens + request.tokens - 1 if continuous else tokens,
            group=None if continuous else self.name,
            warm=warm,
        )

    async def serve(self, call: Call) -> object:
        """Serve one call and return its result; cancelling aborts it.

        Raises:
            KVCapacityError: the request is larger than the cache of an instance.
        """
        return await serve(self, call)

    def start(self, calls: Sequence[Call], done: Done) -> Abort:
        """Start calls together; ``done`` is called when the last of them has ended."""
        taken: list[Instance] = []

        def begin(call: Call, finish: Callable[[object], None]) -> Abort:
            return self._begin(call, finish, taken)

        return start_each(begin, calls, done)

    def _begin(self, call: Call, finish: Callable[[object], None], taken: list[Instance]) -> Abort:
        request = call.payload
        if not isinstance(request, LLMRequest):
            return fail(finish, wrong_payload(call, LLMRequest))
        caching, block = self.batching.prefix_cache, self.batching.block
        generation = Generation(
            request,
            (int(call.warm), request.priority, next(self._numbers)),
            finish,
            block_hashes(request.prompt, block) if caching else (),
        )
        blocks, needed = self.instances[0].kv.blocks, -(-generation.kv_tokens // block)
        if needed > blocks:
            return fail(
                finish,
                KVCapacityError(
                    f"{self.name!r}: a request of {generation.kv_tokens} tokens needs {needed} KV "
                    f"blocks and an instance has {blocks}; shorten it or raise kv_tokens"
                ),
            )
        if not taken or self.limits.continuous:
            taken[:] = [self._route(generation)]
        instance = taken[0]
        instance.add(generation)
        return lambda: instance.abort(generation)

    def _route(self, generation: Generation) -> Instance:
        def load(instance: Instance) -> tuple[float, int]:
            if self.limits.continuous:
                return self._routing(instance, generation), 0
            return instance.outstanding, -instance.prefix(generation.hashes)

        return min(self.instances, key=load)
