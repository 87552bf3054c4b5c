"""What was used of late, by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Keeps what was used of late: at most so much, what was used long ago goes first.

    Args:
        most: the sum of the weights of what is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._weight = 0
        self._young: dict[int, V] = {}
        self._old: dict[int, V] = {}

    def __len__(self) -> int:
        return len(self._young) + sum(key not in self._young for key in self._old)

    def weight(self, value: V) -> int:
        """What one counts."""
        return 1

    def get(self, key: int) -> V | None:
        """What is known; it is used now."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: int, value: V) -> None:
        """Remember it."""
        if self._weight >= self._most:
            self._old, self._young, self._weight = self._young, {}, 0
        self._young[key] = value
        self._weight += self.weight(value)

    def path(self, chain: Sequence[int]) -> list[V]:
        """What is known of the first keys, up to one that is not."""
        found: list[V] = []
        for key in chain:
            value = self.get(key)
            if value is None:
                break
            found.append(value)
        return found


__all__ = ["Recent"]
