"""The unit of scheduling: one operation of one engine on one query's data."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Op(enum.StrEnum):
    """What a primitive does.

    The first eleven are the paper's (Ayo, ASPLOS'25, Table 2); ``API_CALL``, ``HOST`` and
    ``EXPAND`` are ours.
    """

    EMBEDDING = "embedding"
    INGESTION = "ingestion"
    SEARCHING = "searching"
    RERANKING = "reranking"
    PREFILLING = "prefilling"
    DECODING = "decoding"
    PARTIAL_PREFILLING = "partial_prefilling"
    FULL_PREFILLING = "full_prefilling"
    PARTIAL_DECODING = "partial_decoding"
    CONDITION = "condition"
    AGGREGATE = "aggregate"
    API_CALL = "api_call"
    HOST = "host"
    EXPAND = "expand"


PREFILLS = frozenset({Op.PREFILLING, Op.FULL_PREFILLING})
"""The primitives that start an LLM call whose decoding follows."""
DECODES = frozenset({Op.DECODING, Op.PARTIAL_DECODING})
LLM_OPS = PREFILLS | DECODES | {Op.PARTIAL_PREFILLING}
CONTROL_OPS = frozenset({Op.CONDITION, Op.AGGREGATE, Op.HOST, Op.EXPAND})
"""Run by the framework or the scheduler itself; they occupy no engine."""


class Effect(enum.StrEnum):
    """What running a primitive changes. Legality of a rewrite is asked of this."""

    PURE = "pure"
    """Depends on its inputs alone and changes nothing: may run early, or not at all."""
    WRITE = "write"
    """Changes a store: may be staged, never repeated, never moved over a reader."""
    UNKNOWN = "unknown"
    """Nothing is known: runs where it stands, exactly once."""


@dataclass(frozen=True, slots=True)
class PromptPart:
    """One stretch of a prompt, in prompt order.

    ``value`` names the graph value it is made from; ``None`` is literal text, known at once.
    ``tokens`` is an estimate of its length. Two parts are the same text if they are equal and
    stand in prompts of one component: ``chunk`` tells apart what calls take of one value, and
    the texts of a component that has several.
    """

    tokens: int
    value: str | None = None
    chunk: int | None = None
    """Which part of the value this call takes, or which text this is; ``None`` for all of it."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A node of a primitive graph.

    Invariants: ``id`` is unique in its graph; every name in ``inputs`` is a graph input or the
    output of exactly one other primitive; ``stage`` is set only on a primitive cut by stage
    decomposition or on an item of a pipelined decode, and counts from 0.

    ``items`` is the number of batchable units (texts to embed, pairs to score, vectors to
    search with); ``tokens`` estimates the tokens it decodes. ``prompt`` is given on prefills only.
    """

    id: str
    op: Op
    component: str
    engine: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    effect: Effect = Effect.PURE
    items: int = 1
    tokens: int = 0
    prompt: tuple[PromptPart, ...] = ()
    batchable: bool = False
    splittable: bool = False
    stage: int | None = None
    concurrent: bool = False
    """The original program itself starts its items together, instead of one after the other."""
    origin: str = ""
    """Id of the p-graph primitive that this one was cut from; empty if it was not cut."""
    optional: frozenset[str] | None = None
    """Of a condition: the components that it may leave out; ``None`` if that is not known, and it
    may be any that comes after it."""
    speculative: tuple[frozenset[str], ...] = ()
    """Of a condition: the components of each of its branches, if they may start before it is
    decided."""
    serves: int = 1
    """Of a partial prefilling: the calls that start together with its prompt."""

    @property
    def root(self) -> str:
        """Id of the p-graph primitive that this one does the work of."""
        return self.origin or self.id

    @property
    def prompt_tokens(self) -> int:
        """Estimated length of the whole prompt, in tokens."""
        return sum([part.tokens for part in self.prompt])
