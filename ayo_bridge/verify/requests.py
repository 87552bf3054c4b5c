"""Which requests only one of two calls has made."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable
from typing import Final

CLOSE: Final = 1e-6
"""So far numbers may differ that come of batches of another size: embeddings, and scores."""
_NUMBER: Final = 8
_LARGEST: Final = 1e3
_SMALLEST: Final = 1e-3


def unlike(
    before: Counter[Hashable], now: Counter[Hashable]
) -> tuple[list[Hashable], list[Hashable]]:
    """The requests that were made only before, and only now, each as often as that.

    A search by an embedding whose last digits differ is the same search: an embedding model rounds
    by the size of a batch, and calls of an accelerated object share batches.
    """
    less, more = [*(before - now).elements()], [*(now - before).elements()]
    for key in [*more]:
        twin = next((each for each in less if _alike(each, key)), None)
        if twin is not None:
            less.remove(twin)
            more.remove(key)
    return less, more


def _alike(one: object, other: object) -> bool:
    """Whether two keys differ in the last digits of vectors at most."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= CLOSE
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, bytes) and isinstance(other, bytes) and one != other:
        first, second = _numbers(one), _numbers(other)
        return bool(first) and len(first) == len(second) and all(map(_alike, first, second))
    return one == other


def _numbers(key: bytes) -> array[float]:
    """A vector as a key holds it; empty if the bytes are no numbers of an embedding."""
    numbers = array("d")
    if len(key) % _NUMBER == 0:
        numbers.frombytes(key)
    largest = max(map(abs, numbers), default=0.0)
    return numbers if _SMALLEST <= largest <= _LARGEST else array("d")


__all__ = ["CLOSE", "unlike"]
