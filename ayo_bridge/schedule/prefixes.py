"""Which prompts begin alike, and at which replica their beginnings were computed.

A prompt is known by its *chain*: a hash for each chunk of it, of all that comes before, too. Two
prompts begin alike as far as their chains are equal. No text is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from ayo_bridge.schedule.recent import Recent

CHUNK: Final = 128
"""Characters of a chunk: about 32 tokens, two blocks of vLLM's cache."""
CHUNK_TOKENS: Final = CHUNK / 4
_MOST: Final = 1 << 16
"""Chunks that a replica is believed to hold at most: some two million tokens."""
_BYTES: Final = 4 << 20
_BYTES_A_REPLICA: Final = 256 << 10
_MOST_BYTES: Final = 64 << 20
"""What is remembered takes so much memory: for replicas that hold a million tokens each, up to some
two hundred of them."""
_FEWEST: Final = 64
_COMMON: Final = 64
"""What so many prompts branch off from is computed everywhere, and worth nothing anywhere."""
_FEW: Final = 8
"""What fewer prompts branch off from belongs to one query, and not to its program."""

_RUN: Final = 640
"""Bytes of a run beside its chunks."""

Chain = tuple[int, ...]


def chain_of(seed: Hashable, text: Sequence[Hashable], chunk: int = CHUNK) -> Chain:
    """The chain of a text, or of token ids; what is no whole chunk at its end is left out.

    ``seed`` is what else decides what is computed: the model, its template.
    """
    known, chain = hash(seed), []
    for end in range(chunk, len(text) + 1, chunk):
        known = hash((known, text[end - chunk : end]))
        chain.append(known)
    return tuple(chain)


@dataclass(frozen=True, slots=True)
class Known:
    """What a replica has of a prompt.

    ``chunks`` it has computed and should still hold. ``worth`` is how many of them count: what many
    prompts begin with will be computed at each replica, and counts little wherever it is already.
    ``age`` is how many chunks it has computed since. ``near`` of them are not those of a whole
    program, but of one query.
    """

    chunks: int = 0
    worth: float = 0.0
    age: int = 0
    near: int = 0


NOTHING: Final = Known()


@dataclass(slots=True)
class _Run:
    """Chunks that follow each other in each prompt that has one of them.

    ``branches`` counts prompts that went on otherwise, from its end or later; ``continued``:
    whether one has gone on from there.
    """

    keys: array[int]
    branches: int = 0
    continued: bool = False
    computed: dict[int, int] = field(default_factory=dict)
    """By replica: how many chunks it had computed when this was used there last."""

    def fits(self, chain: Chain, at: int) -> int:
        """How many of its chunks a chain has from a place on: the last equal one says it."""
        keys, least, most = self.keys, 1, min(len(self.keys), len(chain) - at)
        if chain[at + most - 1] == keys[most - 1]:
            return most
        while most - least > 1:
            middle = (least + most) // 2
            if chain[at + middle - 1] == keys[middle - 1]:
                least = middle
            else:
                most = middle
        return least


class _Runs(Recent[_Run]):
    """Runs by their first chunk, bounded by the bytes that they take."""

    def weight(self, value: _Run) -> int:
        """An object with its key, a dictionary for replicas, and eight bytes a chunk."""
        return _RUN + 8 * len(value.keys)

    def along(self, chain: Chain) -> list[tuple[_Run, int]]:
        """The runs of a prompt from its beginning on, each with how many of its chunks fit."""
        found: list[tuple[_Run, int]] = []
        at = 0
        while at < len(chain) and (run := self.get(chain[at])) is not None:
            fitting = run.fits(chain, at)
            found.append((run, fitting))
            at += fitting
            if fitting < len(run.keys):
                break
        return found

    def split(self, run: _Run, at: int) -> None:
        """End a run earlier; what came after becomes one of its own."""
        rest = _Run(run.keys[at:], run.branches, run.continued, dict(run.computed))
        run.keys, run.continued = run.keys[:at], True
        self.put(rest.keys[0], rest)


class Prefixes:
    """What replicas hold in their prefix caches, as far as it can be known from what was sent.

    Not thread-safe. How much they hold is learned from their replies (:meth:`learn`).
    """

    def __init__(self, replicas: int) -> None:
        self._runs = _Runs(min(_MOST_BYTES, _BYTES + replicas * _BYTES_A_REPLICA))
        self._counts = [0] * replicas
        self._capacity = [float(_MOST)] * replicas

    def known(self, chain: Chain) -> dict[int, Known]:
        """What replicas have of a prompt: those that have something of it that is worth anything.

        There are few of them, however many replicas there are.
        """
        path = self._runs.along(chain)
        lengths = list(accumulate(fitting for _, fitting in path))
        if not lengths:
            return {}
        last, fitting = path[-1]
        goes_on = fitting < len(last.keys) or last.continued
        another = lengths[-1] < len(chain) and goes_on
        worths = list(accumulate(n / (1 + run.branches + another) for run, n in path))
        nears = list(accumulate(n * (run.branches < _FEW) for run, n in path))
        found: dict[int, Known] = {}
        for number in range(len(path) - 1, -1, -1):
            run, _ = path[number]
            if run.branches >= _COMMON:
                break
            for replica, used in run.computed.items():
                age = self._counts[replica] - used
                if replica not in found and age <= self._capacity[replica]:
                    found[replica] = Known(lengths[number], worths[number], age, nears[number])
        return found

    def at(self, chain: Chain, replica: int) -> Known:
        """What one replica has of a prompt, whatever it is worth."""
        path = self._runs.along(chain)
        count, capacity = self._counts[replica], self._capacity[replica]
        length = sum(fitting for _, fitting in path)
        for run, fitting in reversed(path):
            used = run.computed.get(replica)
            if used is not None and count - used <= capacity:
                return Known(length, age=count - used)
            length -= fitting
        return NOTHING

    def sent(self, chain: Chain, replica: int) -> None:
        """A prompt is computed at a replica from now on."""
        path = self._runs.along(chain)
        runs = [run for run, _ in path]
        length = sum(fitting for _, fitting in path)
        if path and path[-1][1] < len(runs[-1].keys):
            self._runs.split(*path[-1])
        if length < len(chain):
            if runs:
                if runs[-1].continued:
                    for run in runs:
                        run.branches += 1
                runs[-1].continued = True
            run = _Run(array("q", chain[length:]))
            self._runs.put(chain[length], run)
            runs.append(run)
        count = self._counts[replica]
        count += sum(len(run.keys) for run in runs if replica not in run.computed)
        self._counts[replica] = count
        for run in runs:
            run.computed[replica] = count

    def learn(self, replica: int, expected: Known, chunks: float) -> None:
        """A replica says that it had so many chunks of a prompt in its cache."""
        if chunks < expected.chunks / 2:
            if expected.age < _FEWEST:
                return  # It is not gone: it was still being computed.
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


__all__ = ["CHUNK", "CHUNK_TOKENS", "NOTHING", "Chain", "Known", "Prefixes", "chain_of"]
