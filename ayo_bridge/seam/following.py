"""What boundaries tell whoever follows the engine calls of one accelerated call."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ayo_bridge.seam.call import Call

Fields = Mapping[str, Any]
"""A request as plain data that JSON can hold, but for a vector: a tuple of floats, ``vector``."""
Told = Callable[[str], None]
"""Is told a whole answer so far, each time it has grown."""


class AskedTool(NamedTuple):
    """A tool call in an answer; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


class FoundItem(NamedTuple):
    """What a search has found; ``text`` is empty where the store keeps ids only."""

    text: str
    id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine call returned, as plain data."""

    text: str | None = None
    tools: tuple[AskedTool, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    items: tuple[FoundItem, ...] | None = None


@dataclass(frozen=True, slots=True)
class BoundaryCall:
    """A call that the original makes at the boundary of an engine.

    Args:
        kind: ``llm``, ``embedding``, ``search``, ``rerank``, or ``api``, which is a search API.
        owner: the client, model or store by which it is made. Whoever follows holds it weakly.
        request: what is asked, without delivery fields. Asked for on the calling thread.
        answer: what a result of the engine says; it may not have come to its end.
            Raises ValueError where it says nothing.
        remake: ``remake(owner, fields)``: the engine call that ``owner`` makes for an equal request
            with other values. Raises ValueError where it cannot be made ahead. ``None``: no call of
            this form is made ahead.
        manner: how the call is made beside its request (method, extra headers): ``remake`` makes
            calls of this manner only.
        engine: the name of the engine.
        server: ``host:port`` where it is asked over a network.
    """

    kind: str
    owner: object
    request: Callable[[], Fields]
    answer: Callable[[Any], Answer]
    remake: Callable[[Any, Fields], Call] | None
    manner: Hashable = None
    named: Hashable = None
    """Of ``manner`` what may say for whom it is made: headers and a query of this very call."""
    engine: str = ""
    server: str = ""
    anybodys: bool = False
    """Whether it matters neither by whom it is asked, nor whether it is asked in vain."""
    when_complete: Callable[[Any, Callable[[], None]], None] = field(
        default=lambda result, then: then()
    )
    """Has something called once a result is complete: at once, unless it may still arrive."""
    warm: Callable[[Any, str], Call] | None = None
    """``warm(owner, beginning)``: the prefix warm for a request of which only the beginning of its
    canonical JSON is known. Raises ValueError where that holds no prompt."""
    streams: bool = False
    """Whether the original reads the answer while it is written."""
    grows: Callable[[Call, Told], Call] | None = None
    """``grows(call, told)``: a call that ``remake`` made, whose answer is told while it grows, as
    far as the engine lets us see that and the original still gets its reply to the byte."""
    cut: Callable[[Call, int, Callable[[Answer], None]], Call] | None = None
    """``cut(call, size, told)``: a call that ``remake`` made, computed by so many items at a time;
    what each part says is told, but for the last. ``None``: its result does not come apart."""
    shows_prefix_cache: Callable[[Any], bool] = field(default=lambda result: False)
    """Whether a result shows that the engine keeps prefixes in a cache."""


class Follower(Protocol):
    """Who follows the engine calls of one accelerated call. Never raises."""

    def begin(self, call: BoundaryCall) -> object:
        """The original makes a call; returns what :meth:`end` wants to know."""

    def grows(self, handle: object) -> Told | None:
        """Who wants to know the answer of a call that begins to be written; ``None``: nobody."""

    def end(self, handle: object, result: object, error: BaseException | None = None) -> None:
        """It has returned ``result``, or raised."""

    def helper(self, name: str, value: Callable[[], Answer]) -> None:
        """A helper of a framework has returned; ``value()`` is what, asked for if it is wanted."""
