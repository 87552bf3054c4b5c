"""A trace: the engine calls and helper values of one call of an entry, in order."""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class Kind(enum.StrEnum):
    """What was seen at a boundary."""

    LLM = "llm"
    EMBEDDING = "embedding"
    SEARCH = "search"
    RERANK = "rerank"
    API = "api"
    """A search API behind HTTP."""
    HELPER = "helper"
    """What a pure helper of the framework returned: a value, never a request to predict."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in an answer; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding. ``name`` identifies its bits; requests hold the name in its place."""

    name: str
    numbers: tuple[float, ...] = field(repr=False)


def vector_name(numbers: Sequence[float]) -> str:
    """A name for the bits of an embedding, as it stands in requests; equal in every process."""
    packed = struct.pack(f"<{len(numbers)}d", *numbers)
    return "vector:" + hashlib.blake2b(packed, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """A node found by a search, a text that a helper returned, or the score of a reranked text."""

    text: str
    id: str = ""
    score: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a call returned, as far as later requests may be made of it."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    vectors: tuple[Vector, ...] = ()
    items: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One call at a boundary.

    Args:
        site: where in the program it was made; equal in every process of the same program.
        branch: the ordinal of each task or pool job that leads to it, from the entry downwards,
            among those made at the same site by the same parent. Empty in the entry's own thread.
        request: canonical JSON (sorted keys, not ASCII-escaped) of all that is sent, less
            delivery fields; for a helper its name. A vector stands as its name.
        result: ``None`` if the call raised or was cancelled.
        began, ended: moments, counted over all beginnings and ends of the trace's calls, so that
            ``a.ended < b.began`` says that the result of ``a`` was there when ``b`` was asked.
        seconds: how long it took.
    """

    site: str
    branch: tuple[int, ...]
    kind: Kind
    request: str
    result: Result | None
    began: int
    ended: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One call of an entry that ended well.

    ``inputs`` are the texts among its arguments, by path (``query``, ``history[1].content``).
    """

    inputs: Mapping[str, str]
    calls: tuple[TracedCall, ...]
    seconds: float = 0.0

    @property
    def asks(self) -> bool:
        """Whether it has asked an engine."""
        return any(each.kind is not Kind.HELPER for each in self.calls)


def result_size(result: Result) -> int:
    """Characters of its texts, and 8 for each number of a vector."""
    return (
        len(result.text or "")
        + sum(len(call.id) + len(call.name) + len(call.arguments) for call in result.tool_calls)
        + sum(8 * len(vector.numbers) for vector in result.vectors)
        + sum(
            len(item.text) + len(item.id) + sum(map(len, item.metadata.values()))
            for item in result.items or ()
        )
    )


def trace_size(trace: Trace) -> int:
    """The same of all that a trace holds."""
    return sum(map(len, trace.inputs.values())) + sum(
        len(call.request) + (result_size(call.result) if call.result is not None else 0)
        for call in trace.calls
    )
