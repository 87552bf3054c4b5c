"""How many requests are outstanding at each replica; the least and the most are known at once."""

from __future__ import annotations


class Loads:
    """Counts that go up and down by one. All operations are O(1), but for finding a new extreme."""

    def __init__(self, replicas: int) -> None:
        self._at = [0] * replicas
        self._by_load: dict[int, dict[int, None]] = {0: dict.fromkeys(range(replicas))}
        self.least = self.most = 0

    def __getitem__(self, replica: int) -> int:
        return self._at[replica]

    def idlest(self) -> int:
        """Of the replicas with the least, the one that has had it for longest."""
        return next(iter(self._by_load[self.least]))

    def add(self, replica: int, change: int) -> None:
        """One more, or one less."""
        before = self._at[replica]
        after = self._at[replica] = before + change
        there = self._by_load[before]
        del there[replica]
        self._by_load.setdefault(after, {})[replica] = None
        if not there:
            del self._by_load[before]
        self.least = (
            after if after < self.least else self.least + (self.least == before and not there)
        )
        self.most = after if after > self.most else self.most - (self.most == before and not there)
