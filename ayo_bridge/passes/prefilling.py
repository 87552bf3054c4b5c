"""Pass 3, prefilling split: the part of a prompt that is known early is prefilled early.

The partial prefilling warms the engine's prefix cache (on stock vLLM: automatic prefix caching) and
has no successors: the full prefilling finds the blocks there, and need not wait if it does not. The
split pays only if the prefix is done before the rest is known, so every split shows its gain.

For one call a warm takes no work off an engine, it adds to it: a step of its own, and what of the
prefix fills no block is prefilled twice. It saves its query time only on an instance that is idle
meanwhile. On one that decodes it delays every sequence by its whole length, shortens a later step
by what it has saved, and all lose the difference. So a split must gain, by the share of time in
which an instance is idle, more than what others lose. Calls that start together would each prefill
the prefix that they share: for them one warm does take work off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import DECODES, PREFILLS, Op, Primitive, PromptPart
from ayo_bridge.passes.fences import FenceSet, fences_of, still_pruned
from ayo_bridge.passes.rewrite import Decision, PassContext, Rewrite

_Prefix = tuple[str, str, tuple[PromptPart, ...]]

HELD_BACK_TOKENS = 4
"""Tokens at the end of a prefix that the text after it may still change."""


@dataclass(frozen=True, slots=True)
class PrefillingSplit:
    """Split a prefilling into a partial one of its early prefix and a full one of the rest.

    ``block`` is the number of tokens that the engine's prefix cache keeps together; ``overhead``
    the seconds that one more request costs. ``sequences`` of other queries are taken to run on an
    instance where the context does not say; with 0 every gain is taken, as in the paper.
    """

    block: int = 16
    overhead: float = 0.001
    sequences: float = 0.75
    name: ClassVar[str] = "prefilling-split"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Rewrite ``graph``; every prefilling gets a decision."""
        clock = _Clock(graph, context)
        decisions: list[Decision] = []
        splits: dict[str, tuple[Primitive, Primitive]] = {}
        warmed = {_prefix(p): p.root for p in graph if p.op is Op.PARTIAL_PREFILLING}
        shared = _sharing(graph)
        for name in graph.topological_order():
            primitive = graph[name]
            seconds = clock.seconds(primitive)
            if primitive.op is Op.PREFILLING:
                outcome = self._decide(primitive, seconds, clock, warmed, shared)
                decisions.append(outcome.decision)
                if outcome.split is not None:
                    splits[name] = outcome.split
                    seconds = clock.seconds(outcome.split[1])
            clock.run(primitive, seconds)
        if not splits:
            return Rewrite(graph, tuple(decisions))
        return Rewrite(_split(graph, splits, clock.fences), tuple(decisions))

    def _decide(
        self,
        prefill: Primitive,
        whole: float | None,
        clock: _Clock,
        warmed: dict[_Prefix, str],
        shared: Callable[[_Prefix, int], int],
    ) -> _Outcome:
        def refuse(reason: str, gain: float | None = None) -> _Outcome:
            return _Outcome(Decision(self.name, (prefill.id,), False, reason, gain))

        if prefill.engine not in clock.context.can_warm:
            return refuse(f"{prefill.engine!r} takes no prefix warms")
        if whole is None:
            return refuse(f"no profile of {prefill.engine!r} yet: the gain cannot be shown")
        prefix = clock.early_prefix(prefill)
        head = _literal_head(prefill.prompt)
        if reason := _nothing_early(prefill, prefix, head, clock):
            return refuse(reason)
        tokens = sum([part.tokens for part in prefix])
        cached = sum([part.tokens for part in prefix[:head]]) // self.block * self.block
        saved = max(tokens - HELD_BACK_TOKENS, 0) // self.block * self.block - cached
        if saved <= 0:
            return refuse(f"the early prefix fills no cache block of {self.block} tokens")
        partial = _partial(prefill, prefix)
        alone, lead = clock.seconds(partial), clock.lead(prefill, partial.inputs)
        if lead is None or alone is None:
            return refuse(
                f"no profile of {clock.unknown(partial.inputs)!r} yet: the gain cannot be shown"
            )
        if lead < alone:
            late = f"the prefix is known {lead:.3f} s before the rest and needs {alone:.3f} s"
            return refuse(f"no gain: {late}", lead - alone)
        key = _prefix(partial)
        if key in warmed:
            return refuse(f"the prefix is that of {warmed[key]}, which warms it")
        full = _full(prefill, prefix)
        rest = clock.seconds(full) or 0.0  # which is known, as the whole is
        each = (whole - rest) / tokens
        calls = shared(key, clock.graph.depth(prefill.id))
        gain = each * saved * calls - self.overhead
        if gain <= 0:
            return refuse("the predicted gain is not positive", gain)
        others = clock.context.sequences.get(prefill.engine, self.sequences)
        more = alone - each * (cached + saved * calls)
        balance = max(1.0 - others, 0.0) * gain - others * more
        if balance <= 0:
            work = (
                f"{gain:.3f} s saved if it is idle, {more:.3f} s more work for {prefill.engine!r}"
            )
            return refuse(f"not worth it under load: {work}", balance)
        warmed[key] = prefill.id
        reason = f"{tokens} of {prefill.prompt_tokens} prompt tokens are known {lead:.3f} s early"
        decision = Decision(self.name, (prefill.id,), True, reason, gain)
        if calls > 1:
            partial = replace(partial, serves=calls)
        return _Outcome(decision, (partial, full))


@dataclass(frozen=True, slots=True)
class _Outcome:
    decision: Decision
    split: tuple[Primitive, Primitive] | None = None


class _Clock:
    """When values become available if everything starts as soon as it can.

    A primitive whose engine has no profile takes an unknown time; everything after it is unsure,
    and its times are lower bounds.
    """

    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.context = context
        self.seconds = context.profiles.seconds
        self.fences = fences_of(graph)
        self._ordered_before = graph.ordered_before
        self._known: dict[str | None, float] = {}
        self._start: dict[str, float] = {}
        self._end: dict[str, float] = {}
        self._unsure: dict[str, str] = {}

    def run(self, primitive: Primitive, seconds: float | None) -> None:
        """Note when the primitive ends if it takes so many seconds."""
        name = primitive.id
        unsure = self._unsure_before(name) or (primitive.engine if seconds is None else "")
        if unsure:
            self._unsure[name] = unsure
        end = self._end[name] = self.start(primitive) + (seconds or 0.0)
        for value in primitive.outputs:
            self._known[value] = end

    def start(self, primitive: Primitive) -> float:
        """When everything before the primitive has ended."""
        start = self._start.get(primitive.id)
        if start is None:
            known, before = self._known, self._ordered_before.get(primitive.id, ())
            times = [known.get(value, 0.0) for value in primitive.inputs]
            start = max(times + [self._end[name] for name in before], default=0.0)
            self._start[primitive.id] = start
        return start

    def early_prefix(self, prefill: Primitive) -> tuple[PromptPart, ...]:
        """The longest prefix known before the latest part; all, if all is known at once."""
        times = [self._known.get(part.value, 0.0) for part in prefill.prompt]
        latest = max(times, default=0.0)
        return prefill.prompt[: times.index(latest)] if latest > 0 else prefill.prompt

    def lead(self, prefill: Primitive, values: tuple[str, ...]) -> float | None:
        """Seconds between the moment ``values`` are known and the start of ``prefill``, at least.

        ``None`` if that is not known: something before ``values`` has no profile, and the late
        part is not the answer of a call that needs ``values`` itself.
        """
        ordered = self._ordered(prefill)
        if not (self._unsure and self.unknown(values)):
            known = max([self._known.get(value, 0.0) for value in values], default=0.0)
            held_back = max([self._end[name] for name in ordered], default=0.0)
            return self.start(prefill) - max(known, held_back)
        if ordered:
            return None
        wanted = set(values) - self.graph.inputs
        calls = [
            seconds
            for before in self.graph.makers(prefill.id)
            if (seconds := self._call(before, wanted)) is not None
        ]
        return max(calls, default=None)

    def unknown(self, values: tuple[str, ...]) -> str:
        """The engine without a profile because of which it is not known when ``values`` are."""
        makers = [self.graph.producer(value) or "" for value in values]
        return next((self._unsure[maker] for maker in makers if maker in self._unsure), "")

    def _call(self, decode: str, wanted: set[str]) -> float | None:
        """Seconds of the LLM call that ends in ``decode``, if it cannot start before ``wanted``."""
        if self.graph[decode].op not in DECODES:
            return None
        for before in self.graph.predecessors(decode):
            prefill = self.graph[before]
            if prefill.op in PREFILLS and wanted.issubset(prefill.inputs):
                return self._end[decode] - self.start(prefill)
        return None

    def _ordered(self, prefill: Primitive) -> tuple[str, ...]:
        """The primitives that run before ``prefill`` for more reasons than their data."""
        fences = self.fences.before(prefill.id) if self.fences else ()
        return (*self._ordered_before.get(prefill.id, ()), *fences)

    def _unsure_before(self, name: str) -> str:
        if not self._unsure:
            return ""
        before = {*self.graph.makers(name), *self._ordered_before.get(name, ())}
        return next((self._unsure[b] for b in sorted(before) if b in self._unsure), "")


def _sharing(graph: Graph) -> Callable[[_Prefix, int], int]:
    """Tell how many calls at a depth of the graph begin with a prefix: one warm serves them all.

    Of calls at different depths the later ones find the prefix in the cache in any case.
    """
    calls = [p for p in graph if p.op is Op.PREFILLING]
    counted: dict[int, Counter[tuple[_Prefix, int]]] = {}

    def shared(prefix: _Prefix, depth: int) -> int:
        length = len(prefix[2])
        if length not in counted:
            counted[length] = Counter(
                ((p.engine, p.component, p.prompt[:length]), graph.depth(p.id)) for p in calls
            )
        return counted[length][prefix, depth]

    return shared


def _prefix(partial: Primitive) -> _Prefix:
    return partial.engine, partial.component, partial.prompt


def _literal_head(prompt: tuple[PromptPart, ...]) -> int:
    """The number of parts before the first that depends on the query."""
    return next((i for i, part in enumerate(prompt) if part.value is not None), len(prompt))


def _nothing_early(
    prefill: Primitive, prefix: tuple[PromptPart, ...], head: int, clock: _Clock
) -> str:
    """Why no part of the prompt is known early that is not cached anyhow; empty if one is."""
    if len(prefix) == len(prefill.prompt):
        if unknown := clock.unknown(prefill.inputs):
            return f"no profile of {unknown!r} yet: the gain cannot be shown"
        return "the whole prompt is known at the same time"
    if len(prefix) <= head:
        return "only the static instruction is known earlier than the rest, and it stays cached"
    return ""


def _partial(prefill: Primitive, prefix: tuple[PromptPart, ...]) -> Primitive:
    """The partial prefilling of the prefix."""
    values = {part.value for part in prefix}
    return Primitive(
        id=f"{prefill.id}[partial]",
        op=Op.PARTIAL_PREFILLING,
        component=prefill.component,
        engine=prefill.engine,
        inputs=tuple([value for value in prefill.inputs if value in values]),
        prompt=prefix,
        origin=prefill.root,
    )


def _full(prefill: Primitive, prefix: tuple[PromptPart, ...]) -> Primitive:
    """The full prefilling of what is left after the prefix."""
    return Primitive(
        id=f"{prefill.id}[full]",
        op=Op.FULL_PREFILLING,
        component=prefill.component,
        engine=prefill.engine,
        inputs=prefill.inputs,
        outputs=prefill.outputs,
        prompt=prefill.prompt[len(prefix) :],
        origin=prefill.root,
    )


def _split(
    graph: Graph, splits: dict[str, tuple[Primitive, Primitive]], fences: FenceSet | None
) -> Graph:
    """Put the halves where the whole stood; what only ran before the whole runs before both."""
    primitives: list[Primitive] = []
    for primitive in graph:
        primitives += splits.get(primitive.id) or (primitive,)
    order: list[tuple[str, str]] = []
    for source, target in graph.order:
        after = splits[source][1].id if source in splits else source
        before = splits.get(target)
        order += [(after, half.id) for half in before] if before else [(after, target)]
    if fences is not None:
        for name, (partial, _) in splits.items():
            order += [(fence, partial.id) for fence in fences.before(name)]
    new = Graph(primitives, inputs=graph.inputs, order=order)
    # With the same order edges none has become superfluous: the halves are behind no fence.
    return new if order == [*graph.order] else still_pruned(fences, new)
