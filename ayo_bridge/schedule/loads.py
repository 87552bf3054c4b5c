"""How much each of many has to do: the least loaded are found without looking at all of them."""

from __future__ import annotations

from collections.abc import Iterator


class Loads:
    """A number for each of so many, which are numbered. Not thread-safe.

    A change costs the number of different loads at most, however many there are.
    """

    def __init__(self, count: int) -> None:
        self._at = [0] * count
        self._by_load: dict[int, dict[int, None]] = {0: dict.fromkeys(range(count))}

    def add(self) -> None:
        """There is one more, with nothing to do."""
        self._by_load.setdefault(0, {})[len(self._at)] = None
        self._at.append(0)

    def __getitem__(self, number: int) -> int:
        return self._at[number]

    def put(self, number: int, load: int) -> None:
        """One has so much to do now."""
        before = self._at[number]
        if load == before:
            return
        self._at[number] = load
        there = self._by_load[before]
        del there[number]
        if not there:
            del self._by_load[before]
        self._by_load.setdefault(load, {})[number] = None

    @property
    def least(self) -> int:
        """The least that one has to do."""
        return min(self._by_load)

    @property
    def most(self) -> int:
        """The most."""
        return max(self._by_load)

    def idlest(self) -> Iterator[int]:
        """From the least loaded on; of equals those first that have had so little for longest."""
        for load in sorted(self._by_load):
            yield from self._by_load[load]


__all__ = ["Loads"]
