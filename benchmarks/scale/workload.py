"""Queries with RAGPulse's lengths, in three shapes, as e-graphs for the real schedulers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from ayo_bridge.graph import (
    Graph,
    Op,
    Primitive,
    PromptPart,
    Searching,
    Synthesis,
    SynthesisMode,
    decompose,
)
from ayo_bridge.graph.primitive import PREFILLS
from ayo_bridge.passes import optimise
from ayo_bridge.seam import Call
from ayo_bridge.simulate import BatchRequest, LLMRequest, Prompt
from benchmarks.advanced_app import context
from benchmarks.paper.ragpulse import Request, requests
from benchmarks.tiers import Query, Shape

LLM: Final = "llm"
EMBEDDING: Final = "embedding"
STORE: Final = "store"
CHUNKS: Final = 3
"""The contexts of a query; its passages are shared out evenly."""
EVERYTHING: Final = 10**6
MODES: Final = (SynthesisMode.REFINE, SynthesisMode.TREE, SynthesisMode.ONE_SHOT)
"""The shapes; queries take turns."""
_VALUES: Final = 64
"""More values than a query has: its prompts' segments are numbered by query and value."""


@cache
def trace() -> tuple[Request, ...]:
    """All requests of RAGPulse's week, shuffled: those of its first days are shorter than others,
    and a few hundred queries are to be like a hundred thousand.
    """
    every = requests(EVERYTHING)
    random.Random("RAGPulse").shuffle(every)
    return tuple(every)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a prompt: which value of its query it is, or an instruction, and its length.

    ``length`` is the name of a length of :class:`Lengths`.
    """

    value: int | None
    length: str
    instruction: int = 0


@dataclass(frozen=True, slots=True)
class Lengths:
    """The tokens of a query's parts."""

    instruction: int
    question: int
    chunk: int
    contexts: int
    answer: int

    @classmethod
    def of(cls, request: Request) -> Lengths:
        """Those of a request of the trace."""
        return cls(
            request.instruction,
            request.question,
            max(request.contexts // CHUNKS, 1),
            max(request.contexts, 1),
            request.output,
        )


class Workload:
    """Makes the calls of queries; what queries of one shape share is worked out once.

    The e-graphs are those that the passes make at the trace's mean lengths. Each query brings the
    lengths of its own request; its texts are its own but for the instruction, the part of the
    system prompt that RAGPulse's requests share.
    """

    def __init__(self) -> None:
        self.shapes = tuple(Shape(graph(mode), _seconds, "answer.answer") for mode in MODES)
        self._parts = {
            mode: _parts_of(shape.graph) for mode, shape in zip(MODES, self.shapes, strict=True)
        }
        self._lengths = tuple(map(Lengths.of, trace()))

    def mode(self, number: int) -> SynthesisMode:
        """The shape of a query."""
        return MODES[number % len(MODES)]

    def shape(self, number: int) -> Shape:
        """What it shares with others."""
        return self.shapes[number % len(MODES)]

    def call(self, query: Query, primitive: Primitive) -> Call:
        """The call of one of its primitives."""
        name = primitive.id
        if primitive.engine != LLM:
            operation = "search" if primitive.op is Op.SEARCHING else ""
            group = (primitive.engine, operation)
            return Call(primitive.engine, name, BatchRequest(operation), group=group)
        lengths = self._lengths[query.number % len(self._lengths)]
        warm = primitive.op is Op.PARTIAL_PREFILLING
        prompt = self._prompt(query.number, name, lengths)
        request = LLMRequest(prompt, 1 if warm else lengths.answer)
        items = sum([tokens for _, tokens in prompt]) + request.tokens - 1
        return Call(LLM, (query.number, name), request, items=items, warm=warm)

    def _prompt(self, number: int, primitive: str, lengths: Lengths) -> Prompt:
        parts = self._parts[self.mode(number)][primitive]
        first = (number + 1) * _VALUES
        return tuple(
            (
                part.instruction if part.value is None else first + part.value,
                getattr(lengths, part.length),
            )
            for part in parts
        )


def numbers(queries: int) -> Iterator[int]:
    """The queries of a run, in order of arrival."""
    return iter(range(queries))


@cache
def graph(mode: SynthesisMode) -> Graph:
    """Search, then answer: the e-graph at the trace's mean lengths."""
    every = [Lengths.of(request) for request in trace()]

    def mean(name: str) -> int:
        return round(sum(int(getattr(each, name)) for each in every) / len(every))

    search = Searching(name="search", embedding=EMBEDDING, store=STORE, top_k=CHUNKS)
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=mode,
        chunks=CHUNKS,
        instruction_tokens=mean("instruction"),
        question_tokens=mean("question"),
        context_tokens=mean("chunk"),
        tokens=mean("answer"),
        context_first=False,
    )
    return optimise(decompose((search >> answer).template(("question",))), _CONTEXT).graph


_CONTEXT: Final = context(best_batch=128)
_seconds: Final = _CONTEXT.profiles.seconds


def _parts_of(e_graph: Graph) -> dict[str, tuple[Part, ...]]:
    """The whole prompt of each LLM call; a full prefilling lists only what it adds."""
    values: dict[tuple[str | None, int | None], int] = {}
    found: dict[str, tuple[Part, ...]] = {}
    for primitive in e_graph:
        if primitive.op is Op.PARTIAL_PREFILLING or primitive.op in PREFILLS:
            begun = primitive.id.replace("[full]", "[partial]")
            before = e_graph[begun].prompt if primitive.op is Op.FULL_PREFILLING else ()
            found[primitive.id] = tuple(
                _part(part, values) for part in (*before, *primitive.prompt)
            )
    assert len(values) < _VALUES
    return found


def _part(part: PromptPart, values: dict[tuple[str | None, int | None], int]) -> Part:
    if part.value is None:
        return Part(None, "instruction", instruction=part.chunk or 0)
    value = values.setdefault((part.value, part.chunk), len(values))
    if part.value == "question":
        return Part(value, "question")
    if part.value == "search.hits":
        return Part(value, "contexts" if part.chunk is None else "chunk")
    return Part(value, "answer")
