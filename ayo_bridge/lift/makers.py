"""Who makes the calls of retrieval and synthesis ahead, whatever the framework.

A lifter says what its framework's classes do as functions; these turn them into makers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ayo_bridge.profile import EngineProfile
from ayo_bridge.profile.curve import Curve
from ayo_bridge.runahead import index_of
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call, EngineKind


@dataclass(frozen=True, slots=True)
class QueryEmbedding:
    """How an embedding model embeds one query text.

    Args:
        engine: the name of its engine.
        call: the call that it makes; ``None`` for a pure function, which ``vector`` then is.
        vector: from the result of the call, or from the text, to what the store gets.
    """

    engine: str
    call: Callable[[str], Call] | None
    vector: Callable[[object], list[float]]


def costs_nothing(runtime: Home, engine: str, kind: EngineKind) -> None:
    """Let plans know that what they take for an engine is a function which costs nothing."""
    if runtime.first(("costs nothing", engine)):
        curve = Curve.of([(1, 1e-6), (1024, 1e-6)])
        runtime.profiles.publish(engine, EngineProfile(kind.value, curve, None))


class EmbedMaker:
    """Embeds each query with a call of its own, as the frameworks do."""

    def __init__(self, embedding: QueryEmbedding) -> None:
        self._embedding = embedding

    def calls(self, work: Work) -> Sequence[Call]:
        """A call for each text."""
        call = self._embedding.call
        return [call(str(text)) for text in work.items()] if call is not None else ()

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The texts with their vectors."""
        texts = [str(text) for text in work.items()]
        made = results if self._embedding.call is not None else texts
        vector = self._embedding.vector
        return work.output(Embedded(t, vector(r)) for t, r in zip(texts, made, strict=True))


class SearchMaker:
    """Searches with each embedded query. ``search`` is the call that the store makes for one."""

    def __init__(self, search: Callable[[Embedded], Call]) -> None:
        self._search = search

    def calls(self, work: Work) -> Sequence[Call]:
        """A call for each query."""
        return [self._search(query) for query in work.items() if isinstance(query, Embedded)]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The hits of each."""
        return work.output(results)


class ItemParser(Protocol):
    """Incremental counterpart of a framework's list parser."""

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Items that have become certain, with their places; ``text`` is the answer so far."""


class ExpansionMaker:
    """Asks an LLM for a list; streams where that is proven, to see each item early.

    Args:
        ask: the call of the original, which tells its answer as it grows.
        parser: finds the items of a growing answer.
        queries: the value of the list; the items are ``queries[0]``, ``queries[1]``, ...
    """

    def __init__(
        self, ask: Callable[[Work, Callable[[str], None]], Call], parser: ItemParser, queries: str
    ) -> None:
        self._ask = ask
        self._parser = parser
        self._queries = queries

    def calls(self, work: Work) -> Sequence[Call]:
        """The call of the original."""
        feed = work.feed  # The work is to hold the call, and not the call the work.

        def on_text(so_far: str) -> None:
            if found := self._parser.feed(so_far):
                feed({f"{self._queries}[{index}]": item for index, item in found})

        return [self._ask(work, on_text)]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing: the framework's own parser says what the items are."""
        return {}


class RefusedMaker:
    """Makes no calls: they are left to the original after all, for this reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def calls(self, work: Work) -> Sequence[Call]:
        """Raises:
        ValueError: always.
        """
        raise ValueError(self._reason)

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing."""
        return {}


class IndexedMaker:
    """The calls of a fan-out: the i-th primitive makes ``call(i)``."""

    def __init__(self, call: Callable[[int], Call]) -> None:
        self._call = call

    def calls(self, work: Work) -> Sequence[Call]:
        """The call that the primitive stands for."""
        return [self._call(index_of(work.primitive))]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing that the graph would need: the answers go to the original."""
        return {}


class WarmMaker:
    """Prefix warms, made beforehand, by the primitives that send them."""

    def __init__(self, warms: Mapping[str, Call]) -> None:
        self._warms = warms

    def calls(self, work: Work) -> Sequence[Call]:
        """The warm of a partial prefilling; the full request is the original's."""
        warm = self._warms.get(work.primitive.id)
        return [warm] if warm is not None else []

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing: a warm is never asked for."""
        return {}


def item_values(queries: str, items: Sequence[str]) -> Values:
    """The values that a list makes: each item, and all in order."""
    return {**{f"{queries}[{i}]": item for i, item in enumerate(items)}, queries: list(items)}
