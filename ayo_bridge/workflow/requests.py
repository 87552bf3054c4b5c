"""What the default handlers ask of engines, and the values that they make of the results.

A request is the ``payload`` of a :class:`~ayo_bridge.engines.Call`. Next to it stands what the
engine has to return for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ayo_bridge.schedule import MISSING


@dataclass(frozen=True, slots=True)
class Embed:
    """Texts to embed. Returns a vector a text."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Items to store: :class:`Embedded`, or texts if nothing embeds them. Returns what it likes.

    ``query`` is the number of the query that brings them, for stores that keep queries apart.
    """

    items: tuple[object, ...]
    query: int


@dataclass(frozen=True, slots=True)
class Search:
    """Items to search with, as in :class:`Ingest`. Returns a sequence of hits an item.

    ``top_k`` is 0 where no component says how many hits are wanted.
    """

    items: tuple[object, ...]
    top_k: int
    query: int


@dataclass(frozen=True, slots=True)
class Rerank:
    """Candidates to score against a query. Returns a score a candidate."""

    query: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A value: a reranked candidate."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a prompt; ``tokens`` is what the graph estimates."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Generate:
    """A prompt to answer with at most ``max_tokens`` tokens. Returns the text.

    ``items`` is how many items the answer is expected to hold. ``on_text``, where somebody
    listens, takes the whole text so far each time it has grown, from any thread; an engine that
    does not stream need not call it. A request of one token that is a warm only fills the prefix
    cache. ``options`` are fields for the server, in its own words: stop words, a temperature, the
    form that the answer must have.
    """

    prompt: tuple[Segment, ...]
    max_tokens: int
    items: int = 1
    options: tuple[tuple[str, object], ...] = ()
    on_text: Callable[[str], None] | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The prompt as one string. That of a warm is how the full one starts."""
        return "\n\n".join(segment.text for segment in self.prompt)

    @property
    def prompt_tokens(self) -> int:
        """Estimated length of the prompt."""
        return sum(segment.tokens for segment in self.prompt)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A call of a search engine or another tool, with the values it takes. Returns its results."""

    values: tuple[object, ...]


Payload = Embed | Ingest | Search | Rerank | Generate | Lookup


def text_of(value: object) -> str:
    """A value as text for a prompt: lists line by line, and nothing for what is missing."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "\n\n".join(text for item in value if (text := text_of(item)))
    return str(getattr(value, "text", value))
