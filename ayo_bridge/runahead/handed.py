"""Results that were made ahead, seen anew: made for this very request, and still what is found."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Protocol, runtime_checkable

from ayo_bridge.engines.model_requests import ModelRequest
from ayo_bridge.engines.openai_http.request import LLMRequest, canonical_key
from ayo_bridge.engines.sentence_transformer import Model, identity_of
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.kept import LONGEST, Kept, Taken, shortened
from ayo_bridge.runahead.replayed import Difference, differing
from ayo_bridge.seam import Call

_SEARCHES: Final = 4
"""So many searches of a call are made anew."""


@runtime_checkable
class Search(Protocol):
    """The payload of a search of a store that can be looked at once more."""

    def identity(self, key: Hashable) -> Hashable:
        """The key of what is searched, found from that; ``key`` is what it was given.

        ``None``: it has none of its own.
        """

    def anew(self, key: Hashable) -> object | None:
        """What the store that applications use finds now; ``None``: it is not asked twice, or
        holds something else by now."""

    def found(self, result: object) -> object:
        """What a result says, as plain data."""


def handed_wrong(runtime: Home, kept: Kept) -> Difference | None:
    """The first of the results made ahead that was not the right one; ``None``: all were."""
    searches = 0
    for taken in kept.taken:
        wrong = _made_for_another(runtime, kept, taken)
        asked = taken.call.payload
        if wrong is None and isinstance(asked, Search) and searches < _SEARCHES:
            searches += 1
            wrong = _found_otherwise(asked, taken)
        if wrong is not None:
            return wrong
    return None


def _made_for_another(runtime: Home, kept: Kept, taken: Taken) -> Difference | None:
    call = taken.call
    made_for = _identity(runtime, call)
    if made_for is None or (call.key == taken.key == made_for):
        return None
    return Difference(
        "a result made for one request was handed over for another",
        _request(call),
        kept.texts.get(taken.key, "a request that differs from it"),
    )


def _found_otherwise(asked: Search, taken: Taken) -> Difference | None:
    anew = asked.anew(taken.call.key)
    if anew is None:
        return None
    before, now = asked.found(taken.value), asked.found(anew)
    if before == now:
        return None
    handed, right = differing(before, now)
    return Difference(
        "a search that was made ahead found something else than it finds",
        _short(handed),
        _short(right),
    )


def _identity(runtime: Home, call: Call) -> Hashable:
    """The key of what was sent, found from that; ``None`` where it has none of its own."""
    asked = call.payload
    if isinstance(asked, LLMRequest):
        return canonical_key(asked.url, asked.headers, asked.body, asked.way)
    if isinstance(asked, Search):
        return asked.identity(call.key)
    engine = runtime.scheduler(call.engine).engine
    if isinstance(asked, ModelRequest) and isinstance(engine, Model):
        return identity_of(engine, asked)
    return None


def _request(call: Call) -> str:
    asked = call.payload
    if isinstance(asked, LLMRequest):
        return shortened(asked.fields())
    return _short(asked.inputs if isinstance(asked, ModelRequest) else asked)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


__all__ = ["Search", "handed_wrong"]
