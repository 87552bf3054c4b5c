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


class Failure(enum.Enum):
    """How a server fails a request."""

    REFUSED = "refused"
    BROKEN = "broken"
    LOST = "lost"
    CUT = "cut"
    LATE = "late"
    """It never replies: the client's time-out ends the call."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks the LLM, with a prompt of its own by ``number``; ``lines``: for a numbered list."""

    number: int
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Streamed:
    """Asks, and reads the answer as a stream."""

    number: int


@dataclass(frozen=True, slots=True)
class Fails:
    """Asks; the server fails one text in three."""

    number: int
    how: Failure


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
class Route:
    """Like :class:`Branch`, but a function returns which (LangChain goes on with what it is)."""

    check: Check
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Judged:
    """One of two of the same text: the LLM is asked about it, and its answer decides."""

    number: int
    check: Check
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Kept:
    """The text, and the result of ``inner`` as one more paragraph: a history grows like this."""

    inner: Node


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
class Persist:
    """Like :class:`Until`, but the LLM is asked about each result, and its answer decides."""

    number: int
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


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping to a mapping: what is asked is its ``question``; on top of a tree only.

    LlamaIndex has a query bundle instead.
    """

    inner: Node


Node: TypeAlias = (
    Ask
    | Streamed
    | Fails
    | Search
    | Answer
    | Compute
    | Then
    | Beside
    | Apart
    | Branch
    | Route
    | Judged
    | Kept
    | Each
    | Until
    | Persist
    | Tool
    | Raises
    | Rescue
    | Fields
)


class PlannedError(ValueError):
    """What a :class:`Raises` raises."""


def checked(check: Check, text: str) -> str:
    """What a :class:`Raises` does."""
    if check(text):
        raise PlannedError(f"{check.value}: {text[:20]}")
    return text


def lines_of(text: str) -> list[str]:
    """What an :class:`Each` goes over; never nothing."""
    return [line for line in text.splitlines() if line.strip()][:4] or ["nothing"]


def template_of(number: int, *, lines: bool = False) -> str:
    """The prompt of an :class:`Ask`, with one place ``{x}``."""
    if lines:
        return f"Task {number}: give a numbered list of lines on\n{{x}}"
    return f"You do task {number}.\nText: {{x}}\nReply:"


def failing_template(node: Fails) -> str:
    """The prompt of a :class:`Fails`; what the server knows it by is :func:`failing_mark`."""
    return f"{failing_mark(node.how)}, number {node.number}.\nText: {{x}}\nReply:"


def failing_mark(how: Failure) -> str:
    """No other prompt has this in it."""
    return f"You do a task that is {how.value}"


def judging_template(number: int) -> str:
    """The prompt by which a :class:`Judged` or a :class:`Persist` asks about a text."""
    return f"Judge by rule {number}.\nText: {{x}}\nVerdict:"


def paragraphs(texts: list[str]) -> str:
    """How texts are put beside each other."""
    return "\n\n".join(texts)
