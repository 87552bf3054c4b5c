"""One instance of a simulated LLM: continuous batching, one step after another.

A step prefills within a token budget and decodes one token of every running sequence. Steps that
only decode, and in which nothing can end, pass as one event; whoever arrives meanwhile waits for
the step that is under way, as in a real engine.

All sequences that decode take part in every decode step. So the steps are counted once for all of
them, and an event costs the logarithm of how many there are: a thousand instances under load are
simulated as fast as their requests come and go, however long the answers.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

from ayo_bridge.simulate.costs import LLMCosts
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.kv_cache import KVCache
from ayo_bridge.simulate.requests import block_hashes
from ayo_bridge.simulate.trace import Busy, Trace

_SLACK = 1e-9
"""Steps; an arrival at the very end of a step is in time for the next one."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How an instance forms its steps.

    ``chunked``: prefills are cut to fit the budget of ``step_tokens`` and share steps with decodes,
    as stock vLLM does. Without it prompts run whole, before any decode, as in the vLLM 0.2.2 that
    the paper's figures come from; a prompt over the budget then runs alone.

    ``found_at_once``: a block is found from the beginning of the step that computes it, by those
    that are admitted to the same step, as in vLLM's engine of today (v1); else from its end.
    """

    step_tokens: int = 4096
    max_sequences: int = 256
    chunked: bool = True
    prefix_cache: bool = True
    block: int = 16
    found_at_once: bool = False


@dataclass(slots=True)
class _Step:
    start: float
    each: float
    count: int
    chunks: list[tuple[Generation, int]]
    decoding: int
    timer: asyncio.TimerHandle | None = None

    @property
    def end(self) -> float:
        return self.start + self.each * self.count


@dataclass(slots=True)
class Instance:
    """The queue, the KV cache and the running sequences of one instance.

    Sequences that run go before those that wait; a sequence is admitted when the cache has room for
    all it will ever hold, so none is preempted. Where the first in the queue has no room, those
    behind it wait too.
    """

    engine: str
    index: int
    costs: LLMCosts
    batching: Batching
    trace: Trace
    prompt_tokens: int = 0
    """Of all sequences admitted so far."""
    cached_tokens: int = 0
    """Those of them that were found in the cache."""
    outstanding: int = 0
    """KV tokens of all sequences that wait or run."""
    waiting: int = 0
    """How many sequences wait."""
    to_prefill: int = 0
    """Prompt tokens of those that run or wait which are still to be prefilled, at most."""
    kv: KVCache = field(init=False)
    _waiting: list[tuple[tuple[int, int, int], Generation]] = field(default_factory=list)
    _prefilling: dict[Generation, None] = field(default_factory=dict)
    _decoding: int = 0
    _contexts: int = 0
    """Tokens in the cache of those that decode, what several share counted for each."""
    _decode_steps: int = 0
    _stops: list[tuple[int, int, Generation]] = field(default_factory=list)
    """Of each that decodes: the decode step after which somebody has to be told of it."""
    _joined: int = 0
    _coming: dict[int, int] = field(default_factory=dict)
    _step: _Step | None = None
    _woken: bool = False

    def __post_init__(self) -> None:
        self.kv = KVCache(self.costs.kv_tokens, self.batching.block)

    # Requests come and go.

    def add(self, generation: Generation) -> None:
        """Queue a sequence; it takes part from the next step on, if there is room."""
        heapq.heappush(self._waiting, (generation.order, generation))
        self.outstanding += generation.kv_tokens
        self.waiting += 1
        self.to_prefill += generation.length
        for block_hash in generation.hashes:
            self._coming[block_hash] = self._coming.get(block_hash, 0) + 1
        self._wake()

    def abort(self, generation: Generation) -> None:
        """End a sequence and free its blocks; the step under way still runs to its end."""
        if not generation.ended:
            self._leave(generation)
            self._wake()
            generation.tell(CancelledError())

    def prefix(self, hashes: Sequence[int]) -> int:
        """Tokens of a prefix that are here, or will be when those before have been served."""
        for count, block_hash in enumerate(hashes):
            if block_hash not in self.kv and block_hash not in self._coming:
                return count * self.batching.block
        return len(hashes) * self.batching.block

    @property
    def sequences(self) -> int:
        """How many run."""
        return len(self._prefilling) + self._decoding

    def _leave(self, generation: Generation) -> None:
        generation.ended = True
        self.outstanding -= generation.kv_tokens
        for block_hash in generation.hashes:
            self._coming[block_hash] -= 1
            if self._coming[block_hash] == 0:
                del self._coming[block_hash]
        if generation.lease is None:
            self.waiting -= 1
            self.to_prefill -= generation.length
            return
        if generation in self._prefilling:
            del self._prefilling[generation]
            self.to_prefill -= generation.missing
        if generation.since is not None:
            generation.decoded = self._decode_steps - generation.since
            self._decoding -= 1
            self._contexts -= generation.length + generation.decoded
        self.kv.release(generation.lease)

    # Steps.

    def _wake(self) -> None:
        if self._step is not None:
            self._shorten(self._step)
        elif not self._woken:
            # Not at once: whoever comes at the same moment shares the step.
            self._woken = True
            asyncio.get_running_loop().call_soon(self._next)

    def _shorten(self, step: _Step) -> None:
        """End a row of steps with the one under way."""
        loop = asyncio.get_running_loop()
        count = max(1, math.ceil((loop.time() - step.start) / step.each - _SLACK))
        if count < step.count and step.timer is not None:
            step.timer.cancel()
            step.count = count
            step.timer = loop.call_at(step.end, self._end, step)

    def _next(self) -> None:
        self._woken = False
        chunks = self._chunks()
        if not chunks and not self._decoding:
            return
        decoding = self._decoding if self.batching.chunked or not chunks else 0
        sizes = [(new, generation.computed) for generation, new in chunks]
        count = 1
        if not chunks:
            count = self._to_next_stop()
            # Of a row of steps that of the middle one.
            each = self.costs.decode(decoding, self._context((count - 1) / 2))
        elif decoding:
            each = self.costs.mixed(sizes, decoding, self._context())
        else:
            each = self.costs.prefill(sizes)
        loop = asyncio.get_running_loop()
        step = self._step = _Step(loop.time(), each, count, chunks, decoding)
        step.timer = loop.call_at(step.end, self._end, step)

    def _to_next_stop(self) -> int:
        """Decode steps until somebody has to be told."""
        while self._stops[0][2].ended:
            heapq.heappop(self._stops)
        return self._stops[0][0] - self._decode_steps

    def _context(self, further: float = 0.0) -> float:
        """Tokens that a step reads; what several sequences share counts once.

        So it was measured: on a CPU (vLLM 0.32) a step of eight sequences on one prefix of 960
        tokens took 4 ms more than without it, one of four on prefixes of their own 11 ms.
        """
        each = self._contexts + further * self._decoding
        return min(each, self.kv.held * self.batching.block)

    def _end(self, step: _Step) -> None:
        self._step = step.timer = None  # Each keeps the other.
        self.trace(
            Busy(
                self.engine,
                self.index,
                step.start,
                step.end,
                calls=len(step.chunks) + step.decoding,
                items=sum(new for _, new in step.chunks),
                decodes=step.decoding,
                steps=step.count,
            )
        )
        if step.decoding:
            self._decode_steps += step.count
            self._contexts += step.count * self._decoding
        for generation, new in step.chunks:
            if not generation.ended:
                self._prefilled(generation, new)
        stops = self._stops
        while stops and (stops[0][0] <= self._decode_steps or stops[0][2].ended):
            _, joined, generation = heapq.heappop(stops)
            if not generation.ended:
                self._decoded(generation, joined)
        self._wake()

    # What a step prefills.

    def _chunks(self) -> list[tuple[Generation, int]]:
        left = self.batching.step_tokens - (self._decoding if self.batching.chunked else 0)
        chunks: list[tuple[Generation, int]] = []
        for generation in sorted(self._prefilling, key=lambda g: g.order):
            if left > 0:
                new = min(left, generation.missing)
                chunks.append((generation, new))
                self._found_at_once(generation, new)
                left -= new
        while left > 0 and (first := self._first()) is not None:
            if not self._admit(first, left, alone=not chunks):
                break
            heapq.heappop(self._waiting)
            new = min(left, first.missing) if self.batching.chunked else first.missing
            chunks.append((first, new))
            self._found_at_once(first, new)
            left -= new
        return chunks

    def _first(self) -> Generation | None:
        while self._waiting and self._waiting[0][1].ended:
            heapq.heappop(self._waiting)
        if self.sequences >= self.batching.max_sequences:
            return None
        return self._waiting[0][1] if self._waiting else None

    def _admit(self, generation: Generation, left: int, *, alone: bool) -> bool:
        block = self.batching.block
        # The last token of a prompt is always computed: the first answer token comes out of it.
        usable = generation.hashes[: (generation.length - 1) // block]
        found = self.kv.hits(usable)
        fits = self.batching.chunked or alone or generation.length - found * block <= left
        if not fits:
            return False
        lease = self.kv.lease(usable[:found], -(-generation.kv_tokens // block) - found)
        if lease is None:
            return False
        generation.lease = lease
        generation.computed = generation.cached = found * block
        self.prompt_tokens += generation.length
        self.cached_tokens += generation.computed
        self.waiting -= 1
        self.to_prefill -= generation.computed
        self._prefilling[generation] = None
        return True

    def _found_at_once(self, generation: Generation, new: int) -> None:
        if self.batching.found_at_once:
            self._name_computed(generation, new)

    # What a step has brought.

    def _prefilled(self, generation: Generation, new: int) -> None:
        self._name_computed(generation, new)
        generation.computed += new
        self.to_prefill -= new
        if generation.missing == 0:
            del self._prefilling[generation]
            # The first token comes out of the prefill.
            generation.since = self._decode_steps - 1
            self._decoding += 1
            self._contexts += generation.length + 1
            self._joined += 1
            self._decoded(generation, self._joined)

    def _decoded(self, generation: Generation, joined: int) -> None:
        """Tell those who wait for what is decoded by now."""
        request = generation.request
        assert generation.since is not None
        generation.decoded = self._decode_steps - generation.since
        while (
            not generation.ended
            and generation.marked < len(request.marks)
            and request.marks[generation.marked] <= generation.decoded
        ):
            generation.marked += 1
            if request.on_mark is not None:
                request.on_mark(generation.marked - 1)
        if generation.decoded == request.tokens and not generation.ended:
            if self.batching.prefix_cache and (whole := request.whole) is not None:
                named = block_hashes(whole, self.batching.block)[len(generation.hashes) :]
                self._name(generation, named)
            self._leave(generation)
            generation.tell(request.result)
        if not generation.ended:
            heapq.heappush(
                self._stops, (generation.since + generation.next_stop, joined, generation)
            )

    def _name_computed(self, generation: Generation, new: int) -> None:
        block = self.batching.block
        first, end = generation.computed // block, (generation.computed + new) // block
        self._name(generation, generation.hashes[first:end])

    def _name(self, generation: Generation, hashes: Sequence[int]) -> None:
        if generation.lease is not None:
            for block_hash in hashes:
                self.kv.name(generation.lease, block_hash)
