"""The KV cache of one LLM instance: blocks, prefixes found again, and eviction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lease:
    """Blocks that one sequence holds: ``shared`` by hash in prompt order, ``private`` unnamed."""

    shared: list[int] = field(default_factory=list)
    private: int = 0


class KVCache:
    """Counts blocks of a fixed number of tokens; a full block can be found again by its hash.

    Blocks that nobody holds stay until their room is needed; the least recently used goes first,
    of one sequence its last block (as in vLLM).

    Invariant: private blocks + named blocks <= ``blocks``; ``idle`` are the named ones that nobody
    holds.
    """

    def __init__(self, tokens: int, block: int) -> None:
        self.blocks = tokens // block
        self._private = 0
        self._holders: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self.evicted = 0

    @property
    def available(self) -> int:
        """Blocks that could be leased now."""
        return self.blocks - self._private - len(self._holders) + len(self._idle)

    @property
    def held(self) -> int:
        """Blocks that some sequence holds."""
        return self.blocks - self.available

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._holders

    def hits(self, hashes: Sequence[int]) -> int:
        """How many of the first blocks are here."""
        for count, block_hash in enumerate(hashes):
            if block_hash not in self._holders:
                return count
        return len(hashes)

    def lease(self, found: Sequence[int], new: int) -> Lease | None:
        """Hold the blocks ``found`` here and ``new`` ones; ``None`` if there is no room."""
        idle = sum(block_hash in self._idle for block_hash in found)
        if self.available - idle < new:
            return None
        for block_hash in found:
            self._idle.pop(block_hash, None)
            self._holders[block_hash] += 1
        self._private += new
        while self._private + len(self._holders) > self.blocks:
            evicted, _ = self._idle.popitem(last=False)
            del self._holders[evicted]
            self.evicted += 1
        return Lease(list(found), new)

    def name(self, lease: Lease, block_hash: int) -> None:
        """One of the lease's private blocks is full: it can be found from now on.

        Where another sequence has computed the same block meanwhile, this one stays private.
        """
        if block_hash in self._holders:
            return
        lease.private -= 1
        self._private -= 1
        self._holders[block_hash] = 1
        lease.shared.append(block_hash)

    def release(self, lease: Lease) -> None:
        """Give the blocks back; named ones can still be found."""
        self._private -= lease.private
        for block_hash in reversed(lease.shared):
            self._holders[block_hash] -= 1
            if self._holders[block_hash] == 0:
                self._idle[block_hash] = None
        lease.private = 0
        lease.shared.clear()
