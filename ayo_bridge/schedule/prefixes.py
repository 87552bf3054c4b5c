"""Which prompts begin alike, and at which replica their beginnings were computed.

A prompt is known by its *chain*: a hash for each chunk of it, of all that comes before, too. Two
prompts begin alike as far as their chains are equal. No text is kept.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

CHUNK: Final = 128
"""Characters of a chunk: about 32 tokens, two blocks of vLLM's cache."""
CHUNK_TOKENS: Final = CHUNK / 4
_MOST: Final = 1 << 16
"""Chunks that are remembered: some two million tokens."""
_FEWEST: Final = 64
_COMMON: Final = 64
"""What so many prompts branch off from is computed everywhere, and worth nothing anywhere."""
_FANOUT: Final = 8
"""So many prompts that go on from one prefilled beginning are one group."""

Chain = tuple[int, ...]
V = TypeVar("V")


def chain_of(seed: Hashable, text: Sequence[Hashable], chunk: int = CHUNK) -> Chain:
    """The chain of a text, or of token ids; what is no whole chunk at its end is left out.

    ``seed`` is what else decides what is computed: the model, its template.
    """
    known, chain = hash(seed), []
    for end in range(chunk, len(text) + 1, chunk):
        known = hash((known, text[end - chunk : end]))
        chain.append(known)
    return tuple(chain)


class Recent(Generic[V]):
    """What was used of late, by key: at most so many, those that were used long ago go first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most // 2
        self._young: dict[int, V] = {}
        self._old: dict[int, V] = {}

    def get(self, key: int) -> V | None:
        """What is known; it is used now."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: int, value: V) -> None:
        """Remember it."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def path(self, chain: Chain) -> list[V]:
        """What is known of the chunks of a prompt, from its beginning on."""
        found: list[V] = []
        for key in chain:
            value = self.get(key)
            if value is None:
                break
            found.append(value)
        return found


@dataclass(slots=True)
class _Chunk:
    """A chunk of prompts. ``branches`` counts those that went on otherwise, from here or later."""

    branches: int = 0
    continued: bool = False
    computed: dict[int, int] = field(default_factory=dict)
    """By replica: how many chunks it had computed when this was used there last."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a replica has of a prompt.

    ``chunks`` it has computed and should still hold. ``worth`` is how many of them count: what many
    prompts begin with will be computed at each replica, and counts little wherever it is already.
    ``age`` is how many chunks it has computed since.
    """

    chunks: int = 0
    worth: float = 0.0
    age: int = 0


NOTHING: Final = Known()


class Prefixes:
    """What replicas hold in their prefix caches, as far as it can be known from what was sent.

    Not thread-safe. How much they hold is learned from their replies (:meth:`learn`).
    """

    def __init__(self, replicas: int) -> None:
        self._chunks: Recent[_Chunk] = Recent()
        self._counts = [0] * replicas
        self._capacity = [float(_MOST)] * replicas

    def known(self, chain: Chain) -> dict[int, Known]:
        """What replicas have of a prompt: those that have something of it that is worth anything.

        There are few of them, however many replicas there are.
        """
        path = self._chunks.path(chain)
        another = len(path) < len(chain) and bool(path) and path[-1].continued
        worth, sums = 0.0, [0.0]
        for chunk in path:
            worth += 1.0 / (1 + chunk.branches + another)
            sums.append(worth)
        found: dict[int, Known] = {}
        for length in range(len(path), 0, -1):
            chunk = path[length - 1]
            if chunk.branches >= _COMMON:
                break
            for replica, used in chunk.computed.items():
                age = self._counts[replica] - used
                if replica not in found and age <= self._capacity[replica]:
                    found[replica] = Known(length, sums[length], age)
        return found

    def at(self, chain: Chain, replica: int) -> Known:
        """What one replica has of a prompt, whatever it is worth."""
        path = self._chunks.path(chain)
        count, capacity = self._counts[replica], self._capacity[replica]
        for length in range(len(path), 0, -1):
            used = path[length - 1].computed.get(replica)
            if used is not None and count - used <= capacity:
                return Known(length, age=count - used)
        return NOTHING

    def sent(self, chain: Chain, replica: int) -> None:
        """A prompt is computed at a replica from now on."""
        path = self._chunks.path(chain)
        length = len(path)
        if path and length < len(chain):
            if path[-1].continued:
                for chunk in path:
                    chunk.branches += 1
            path[-1].continued = True
        for key in chain[length:]:
            chunk = _Chunk(continued=True)
            self._chunks.put(key, chunk)
            path.append(chunk)
        if length < len(chain):
            path[-1].continued = False
        count = self._counts[replica]
        count += sum(replica not in chunk.computed for chunk in path)
        self._counts[replica] = count
        for chunk in path:
            chunk.computed[replica] = count

    def learn(self, replica: int, expected: Known, chunks: float) -> None:
        """A replica says that it had so many chunks of a prompt in its cache."""
        if chunks < expected.chunks / 2:
            held = max(_FEWEST, min(self._capacity[replica], 0.9 * expected.age))
            self._capacity[replica] = held
        elif expected.age > self._capacity[replica] / 2:
            self._capacity[replica] = min(_MOST, 1.2 * self._capacity[replica])

    def add(self) -> None:
        """There is one more replica, which holds nothing."""
        self._counts.append(0)
        self._capacity.append(float(_MOST))

    def forget(self, replica: int) -> None:
        """A replica begins anew: it holds nothing."""
        self._counts[replica] += 2 * _MOST


@dataclass(slots=True)
class _Begun:
    group: int
    continued: bool = False
    warmed: bool = False
    branches: int = 0


class PrefixGroups:
    """Numbers prompts by *prefix group*, for routers that keep a session at one replica.

    A prompt that goes on from an earlier one is of its group; so is one that begins with what was
    prefilled ahead for it. One that branches off elsewhere starts a group: all prompts of a program
    begin with the same words, and as one group they would all be sent to one replica.
    """

    def __init__(self) -> None:
        self._begun: Recent[_Begun] = Recent()
        self._groups = 0

    def group(self, chain: Chain, *, warm: bool = False) -> int:
        """The group of a prompt that is sent now; ``warm``: ahead of those that go on from it."""
        path = self._begun.path(chain)
        length, group = len(path), self._joined(path, len(chain))
        if group is None:
            self._groups += 1
            group = self._groups
        if path and length < len(chain):
            if path[-1].continued:
                for begun in path:
                    begun.branches += 1
            path[-1].continued = True
        for key in chain[length:]:
            begun = _Begun(group, continued=True)
            self._begun.put(key, begun)
            path.append(begun)
        if path and length < len(chain):
            path[-1].continued = False
        if warm and path:
            path[-1].warmed = True
        return group

    @staticmethod
    def _joined(path: Sequence[_Begun], length: int) -> int | None:
        if not path:
            return None
        last = path[-1]
        if len(path) == length or not last.continued:
            return last.group
        warmed = next((begun for begun in reversed(path) if begun.warmed), None)
        return warmed.group if warmed is not None and warmed.branches < _FANOUT else None


__all__ = [
    "CHUNK",
    "CHUNK_TOKENS",
    "NOTHING",
    "Chain",
    "Known",
    "PrefixGroups",
    "Prefixes",
    "Recent",
    "chain_of",
]
