"""The emulated engine: an instance of the simulated LLM on the loop's clock, and its counters."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass

from ayo_bridge.serving.emulated.counters import Counters, Histogram
from ayo_bridge.serving.emulated.requests import Planned
from ayo_bridge.serving.emulated.settings import Settings
from ayo_bridge.serving.emulated.tokens import segments
from ayo_bridge.simulate import Busy, LLMRequest, Prompt
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.iterations import Instance
from ayo_bridge.simulate.requests import block_hashes

OnToken = Callable[[int], None]
"""Called with the place of each token when it is there."""


@dataclass(frozen=True, slots=True)
class _Decode(LLMRequest):
    held: Prompt = ()

    @property
    def whole(self) -> Prompt | None:
        """By tokens, so that a later prompt that quotes the answer finds it."""
        return self.held


class EmulatedEngine:
    """Decodes what it is given, step by step; for one loop, on whose clock it runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counters = Counters()
        self.instance = Instance(
            settings.name, 0, settings.instance_costs, settings.batching, self._stepped
        )
        self._numbers = itertools.count()
        self._obeys_priority = settings.scheduling_policy == "priority"

    def start(
        self,
        planned: Planned,
        priority: int,
        on_token: OnToken | None,
        on_end: Callable[[], None],
    ) -> Generation:
        """Queue a sequence; ``on_end`` is called when it has ended and was not aborted."""
        block = self.settings.block_size
        count = len(planned.answer.pieces)
        began = asyncio.get_running_loop().time()

        def mark(place: int) -> None:
            if place == 0:
                self.counters.prompt_tokens += generation.length
                self._took(self.counters.first_token, began)
            if on_token is not None:
                on_token(place)

        def finish(result: object) -> None:
            counters = self.counters
            counters.generation_tokens += generation.decoded
            if isinstance(result, CancelledError):
                counters.finished["abort"] += 1
                return
            counters.finished[planned.answer.finish] += 1
            self._took(counters.end_to_end, began)
            on_end()

        prompt = segments(planned.prompt, block)
        request = _Decode(
            prompt,
            count,
            marks=tuple(range(1, count + 1)) if on_token is not None else (1,),
            on_mark=mark,
            held=segments((*planned.prompt, *planned.answer.pieces[:-1]), block),
        )
        order = (0, priority if self._obeys_priority else 0, next(self._numbers))
        hashes = block_hashes(prompt, block) if self.settings.enable_prefix_caching else ()
        generation = Generation(request, order, finish, hashes)
        self.instance.add(generation)
        return generation

    def abort(self, generation: Generation) -> None:
        """End a sequence before its time; the step under way still runs to its end."""
        self.instance.abort(generation)

    def _took(self, kept: Histogram, began: float) -> None:
        kept.add((asyncio.get_running_loop().time() - began) / self.settings.speed)

    def _stepped(self, busy: Busy) -> None:
        self.counters.steps += busy.steps
        self.counters.step_tokens += busy.items + busy.decodes * busy.steps
        self.counters.busy += (busy.end - busy.start) / self.settings.speed
