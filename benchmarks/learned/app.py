"""What an application of the benchmark is: how it is built, asked, and what it asks its engines."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.learned.passages import question

if TYPE_CHECKING:
    from benchmarks.learned.engines import Engines, Latencies


class Group(enum.StrEnum):
    """Where an application comes from; ``--group`` picks by it."""

    LLAMA_INDEX = "llama-index"
    LANGCHAIN = "langchain"
    PLAIN = "plain"
    PUBLIC = "public"
    TEXTS = "texts"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of one call.

    ``texts`` are documents or a batch of questions, ``history`` the turns of a chat so far: the
    user's and the assistant's in turns, the user's first.
    """

    query: str
    texts: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What must be equal in both arms: the text, and the sources in their order."""

    text: str
    sources: tuple[str, ...] = ()


Ask: TypeAlias = "Callable[[Any, Inputs], Answer | Awaitable[Answer]]"
"""Asks the object to accelerate, or the accelerated one in its place."""


@dataclass(frozen=True, slots=True)
class Program:
    """A built application: the object that a user would accelerate, and how it is asked."""

    target: object
    ask: Ask


@dataclass(frozen=True, slots=True)
class Calls:
    """How many LLM calls an answer takes, both ends included."""

    low: int
    high: int

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest path of an answer that its data dependencies allow, in engine calls."""

    llm: int
    embedding: int = 0
    search: int = 0

    def seconds(self, latencies: Latencies) -> float:
        """How long that path takes."""
        return (
            self.llm * latencies.llm
            + self.embedding * latencies.embedding
            + self.search * latencies.search
        )


def ask_question(number: int) -> Inputs:
    """The inputs of an application that is asked one question."""
    return Inputs(question(number))


@dataclass(frozen=True, slots=True)
class App:
    """An application.

    Args:
        inputs: those of the i-th distinct query, for any i from 0.
        calls: the LLM calls of one answer, as counted at the server.
        longest: what no arm can be faster than, where that is the same for all inputs.
        target: the ratio of original to ideal that a survey of the frameworks measured, over its
            own slower engines (embedding and search 70 ms together).
        note: what a reader of the row has to know.
        on_loop: it is asked by a coroutine.
        one_thread: it awaits in sync methods, each thread on a loop of its own, and its client's
            connections belong to one loop: as it is, it cannot be asked by several threads.
    """

    name: str
    group: Group
    build: Callable[[Engines], Program]
    calls: Calls
    inputs: Callable[[int], Inputs] = ask_question
    longest: Longest | None = None
    target: float | None = None
    note: str = ""
    on_loop: bool = False
    one_thread: bool = False

    def __str__(self) -> str:
        return self.name


def exactly(count: int) -> Calls:
    """So many LLM calls, whatever the input."""
    return Calls(count, count)


def named(apps: Sequence[App]) -> dict[str, App]:
    """Applications by name.

    Raises:
        ValueError: a name was given twice.
    """
    found = {app.name: app for app in apps}
    if len(found) != len(apps):
        raise ValueError("two applications have the same name")
    return found
