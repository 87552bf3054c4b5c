"""A call to an engine: the request, and the one record of what becomes of it."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class EngineKind(enum.StrEnum):
    """What an engine serves; one cost model and one timeline colour a kind."""

    LLM = "llm"
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    VECTOR_STORE = "vector_store"
    SEARCH_API = "search_api"


class Outcome(enum.StrEnum):
    """How an engine call came about and what became of it."""

    DIRECT = "direct"
    """The original made it; nothing was computed ahead."""
    HIT = "hit"
    """Computed ahead, or fused, and consumed by the original."""
    AHEAD = "ahead"
    """Computed ahead; not consumed yet."""
    WASTED = "wasted"
    """Computed ahead and never consumed, in a call that ended well."""
    CANCELLED = "cancelled"
    """Computed ahead; not consumed as its call was cancelled, raised or was left by its reader."""
    DROPPED = "dropped"
    """Failed ahead; the original made its own call."""
    WARM = "warm"
    """A declared prefix warm; the original never asks for it."""


_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Unkeyed:
    """The key of a call that has no identity: it equals no other."""

    engine: str
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the graph of a query says of one of its LLM requests before that is sent.

    Args:
        place: where in its program it stands: that of other queries' requests that stand there.
        resumes: whether a request that is still to come goes on from its prompt; ``None``: the
            graph does not say what prompts are made of.
        seconds: until that one is sent, about; ``None`` if nothing is known of that.
    """

    place: Hashable
    resumes: bool | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one engine, exactly as the original program makes it.

    ``key`` is the identity of the request: two calls with equal keys have interchangeable
    results. ``payload`` is what the engine needs to run it. Calls with an equal ``group`` may
    share a batch; ``None`` never shares. ``items`` counts against :attr:`Limits.max_items`.
    ``deterministic`` results may serve every equal call; others are consumed once.
    """

    engine: str
    key: Hashable
    payload: object
    items: int = 1
    group: Hashable | None = None
    deterministic: bool = False
    warm: bool = False
    """A declared prefix warm: no call of the original ever asks for its result."""
    foreseen: Foreseen | None = None
    """What its graph says of it, where somebody is told that."""


class Usage(NamedTuple):
    """What a server says it has computed, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt's, those that it had in its prefix cache, where it says so."""


NO_TOKENS: Final = Usage()


@dataclass(slots=True)
class EngineCall:
    """One request to an engine. Times are seconds of the runtime's clock."""

    primitive: str
    """Where it belongs; of the original's own calls known once somebody has asked the record."""
    engine: str
    kind: EngineKind
    key: Hashable
    """The identity of the request; ``None`` where nothing ran ahead that it could be equal to."""
    outcome: Outcome
    queued: float
    started: float | None = None
    ended: float | None = None
    waited: float = 0.0
    """Seconds for which the original stood still for this result."""
    items: int = 1
    batch: int = 1
    usage: Callable[[], Usage | None] | None = None
    """Finds the tokens of a reply that nobody has read for them yet."""
    tokens: Usage = NO_TOKENS
    """As far as they have been read."""
    fused: bool = False
    """The original's own call, served by the engine scheduler."""
    error: str = ""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, as the server has counted them; 0 if it has not."""
        return self.counted.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer."""
        return self.counted.completion_tokens

    @property
    def counted(self) -> Usage:
        """The tokens that the server has counted."""
        usage = self.usage
        if usage is not None:  # Of several threads that ask at once each finds the same.
            self.tokens = usage() or self.tokens
            self.usage = None
        return self.tokens

    @property
    def seconds(self) -> float:
        """How long the engine worked on it."""
        if self.started is None or self.ended is None:
            return 0.0
        return self.ended - self.started

    @property
    def saved(self) -> float:
        """Seconds that run-ahead took off the original's way for this call."""
        return max(0.0, self.seconds - self.waited) if self.outcome is Outcome.HIT else 0.0
