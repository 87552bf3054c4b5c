"""A small algebra of applications: each tree takes a text to a text.

Both frameworks and plain functions interpret it (``as_langchain``, ``as_llama_index``,
``as_functions``), each with its own means; the meanings here are what they have in common.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


class Glue(enum.Enum):
    """A pure function of the application."""

    UPPER = "upper"
    STRIP = "strip"
    FIRST_LINE = "first line"
    LAST_WORDS = "last words"
    CUT = "cut"
    COUNTED = "counted"
    BARE = "bare"

    def __call__(self, text: str) -> str:
        match self:
            case Glue.UPPER:
                return text.upper()
            case Glue.STRIP:
                return text.strip()
            case Glue.FIRST_LINE:
                return text.split("\n", 1)[0]
            case Glue.LAST_WORDS:
                return " ".join(text.split()[-3:])
            case Glue.CUT:
                return text[:40]
            case Glue.COUNTED:
                return f"{len(text.splitlines())} lines: {text}"
            case Glue.BARE:
                return "\n".join(line.lstrip("0123456789. ") for line in text.splitlines())


class Check(enum.Enum):
    """A question about a text."""

    LONG = "long"
    EVEN = "even"
    SEVERAL_LINES = "several lines"
    AMBER = "amber"
    NEVER = "never"

    def __call__(self, text: str) -> bool:
        match self:
            case Check.LONG:
                return len(text) > 60
            case Check.EVEN:
                return len(text) % 2 == 0
            case Check.SEVERAL_LINES:
                return "\n" in text.strip()
            case Check.AMBER:
                return "amber" in text.lower()
            case Check.NEVER:
                return False


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks the LLM, with a prompt of its own by ``number``; ``lines``: for a numbered list."""

    number: int
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """The ``count`` documents nearest to the text, one paragraph each."""

    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Searches, and answers from what was found: the framework's own retrieval application."""

    count: int
    number: int


@dataclass(frozen=True, slots=True)
class Compute:
    """A function of the application's own."""

    glue: Glue


@dataclass(frozen=True, slots=True)
class Then:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """All of the same text at the same time; their results as paragraphs in this order."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Like :class:`Beside`, but one after the other, though none needs another."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One of two."""

    check: Check
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Each:
    """Of each line of the text, four at most; the results as lines."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Until:
    """Again with its own result until the check holds, ``times`` at most."""

    check: Check
    inner: Node
    times: int


@dataclass(frozen=True, slots=True)
class Tool:
    """Within a tool of the framework."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Raises:
    """Raises where the check holds, else nothing happens to the text."""

    check: Check


@dataclass(frozen=True, slots=True)
class Rescue:
    """The other one of the same text where the first raises."""

    inner: Node
    other: Node


Node: TypeAlias = (
    Ask
    | Search
    | Answer
    | Compute
    | Then
    | Beside
    | Apart
    | Branch
    | Each
    | Until
    | Tool
    | Raises
    | Rescue
)


class PlannedError(ValueError):
    """What a :class:`Raises` raises."""


def checked(check: Check, text: str) -> str:
    """What a :class:`Raises` does."""
    if check(text):
        raise PlannedError(f"{check.value}: {text[:20]}")
    return text


def errors_race(node: Node, *, side_by_side: bool = False) -> bool:
    """Whether a :class:`Raises` is in what an asynchronous application does at the same time."""
    match node:
        case Raises():
            return side_by_side
        case Beside(parts):
            return any(errors_race(part, side_by_side=True) for part in parts)
        case Each(inner):
            return errors_race(inner, side_by_side=True)
        case Then(parts) | Apart(parts):
            return any(errors_race(part, side_by_side=side_by_side) for part in parts)
        case Branch(_, one, other) | Rescue(one, other):
            both = (one, other)
            return any(errors_race(part, side_by_side=side_by_side) for part in both)
        case Until(_, inner, _) | Tool(inner):
            return errors_race(inner, side_by_side=side_by_side)
        case _:
            return False


def lines_of(text: str) -> list[str]:
    """What an :class:`Each` goes over; never nothing."""
    return [line for line in text.splitlines() if line.strip()][:4] or ["nothing"]


def template_of(number: int, *, lines: bool = False) -> str:
    """The prompt of an :class:`Ask`, with one place ``{x}``."""
    if lines:
        return f"Task {number}: give a numbered list of lines on\n{{x}}"
    return f"You do task {number}.\nText: {{x}}\nReply:"


def paragraphs(texts: list[str]) -> str:
    """How texts are put beside each other."""
    return "\n\n".join(texts)
