"""Which replica a call goes to: the routers that are compared.

Each knows what one that stands before the replicas knows: what it has sent, and what came back.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from ayo_bridge.schedule import prefixes, routing
from ayo_bridge.schedule.loads import Loads
from ayo_bridge.seam import Usage
from ayo_bridge.simulate import Prompt
from ayo_bridge.simulate.requests import block_hashes


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A call before it is sent: its prompt, the tokens to be decoded, whether it is a warm."""

    prompt: Prompt
    output: int
    warm: bool

    @property
    def tokens(self) -> int:
        """Length of the prompt."""
        return sum([tokens for _, tokens in self.prompt])


class Router(Protocol):
    """Chooses, and is told what came of it. Times are virtual seconds."""

    def choose(self, asked: Asked, now: float) -> int:
        """The replica that a call is sent to, by place."""

    def ended(self, asked: Asked, replica: int, now: float, usage: Usage) -> None:
        """Its reply has come."""


class RoundRobin:
    """One after the other."""

    def __init__(self, replicas: int) -> None:
        self._turns = itertools.cycle(range(replicas))

    def choose(self, asked: Asked, now: float) -> int:
        """The next one."""
        return next(self._turns)

    def ended(self, asked: Asked, replica: int, now: float, usage: Usage) -> None:
        """Of no interest."""


class LeastOutstanding:
    """The fewest requests outstanding; of equals the one that has had so few for longest."""

    def __init__(self, replicas: int) -> None:
        self._loads = Loads(replicas)

    def choose(self, asked: Asked, now: float) -> int:
        """The least loaded."""
        replica = next(self._loads.idlest())
        self._loads.put(replica, self._loads[replica] + 1)
        return replica

    def ended(self, asked: Asked, replica: int, now: float, usage: Usage) -> None:
        """One less."""
        self._loads.put(replica, self._loads[replica] - 1)


class CacheAware:
    """The cache-aware policy of vllm-router 0.1 (and SGLang's router), with its defaults.

    Out of balance (most - least > 32 outstanding and most > 1.1 least): the least loaded. Else the
    replica whose tree matches most of the prompt, if that is over half of it; else the one with the
    smallest tree. A tree here forgets as the replica's own cache does: the least recently used
    first, beyond ``kv_tokens``. Theirs are cut at intervals; this one knows more.
    """

    THRESHOLD: Final = 0.5
    ABSOLUTE: Final = 32
    RELATIVE: Final = 1.1

    def __init__(self, replicas: int, kv_tokens: int) -> None:
        self._loads = Loads(replicas)
        self._kv_tokens = kv_tokens
        self._trees: list[OrderedDict[int, int]] = [OrderedDict() for _ in range(replicas)]
        self._sizes = [0] * replicas
        self._smallest = [(0, replica) for replica in range(replicas)]
        self._known: dict[int, dict[int, None]] = {}
        """By prefix: the replicas that have it, the last used last."""

    def choose(self, asked: Asked, now: float) -> int:
        """As above."""
        loads, prefixes = self._loads, _prefixes(asked.prompt)
        if loads.most - loads.least > self.ABSOLUTE and loads.most > self.RELATIVE * loads.least:
            replica = next(loads.idlest())
        else:
            replica = self._matching(prefixes, asked.tokens)
        loads.put(replica, loads[replica] + 1)
        self._insert(prefixes, replica)
        return replica

    def ended(self, asked: Asked, replica: int, now: float, usage: Usage) -> None:
        """One less."""
        self._loads.put(replica, self._loads[replica] - 1)

    def _matching(self, prefixes: Mapping[int, int], tokens: int) -> int:
        matched, replica = 0, -1
        for prefix, length in prefixes.items():
            if (there := self._known.get(prefix)) is None:
                break
            matched, replica = matched + length, next(reversed(there))
        if matched > self.THRESHOLD * tokens:
            return replica
        while True:
            size, replica = self._smallest[0]
            if size == self._sizes[replica]:
                return replica
            heapq.heapreplace(self._smallest, (self._sizes[replica], replica))

    def _insert(self, prefixes: dict[int, int], replica: int) -> None:
        tree, before = self._trees[replica], self._sizes[replica]
        size = before
        for prefix, length in reversed(prefixes.items()):  # Of one prompt its end goes first.
            if prefix not in tree:
                size += length
                tree[prefix] = length
            tree.move_to_end(prefix)
            there = self._known.setdefault(prefix, {})
            there.pop(replica, None)
            there[replica] = None
        while size > self._kv_tokens and len(tree) > len(prefixes):
            prefix, length = tree.popitem(last=False)
            size -= length
            there = self._known[prefix]
            del there[replica]
            if not there:
                del self._known[prefix]
        self._sizes[replica] = size
        if size < before:  # A larger one is found to be so when its turn comes.
            heapq.heappush(self._smallest, (size, replica))


def _prefixes(prompt: Prompt) -> dict[int, int]:
    """Of each beginning of a prompt that ends with a segment: the segment's tokens."""
    found: dict[int, int] = {}
    parent = 0
    for segment, tokens in prompt:
        parent = hash((parent, segment, tokens))
        found[parent] = tokens
    return found


class Ours:
    """The router of ayo-bridge, unchanged. ``routing`` is how it chooses."""

    def __init__(self, replicas: int, kv_tokens: int, *, by: routing.Routing) -> None:
        self._router = routing.Router(replicas, by)
        self._sent: dict[Asked, routing.Sent] = {}

    def choose(self, asked: Asked, now: float) -> int:
        """As it does; it is shown the prompt in chunks, as it would cut its text."""
        chain = block_hashes(asked.prompt, int(prefixes.CHUNK_TOKENS))
        prompt = routing.Prompt(chain, asked.tokens, asked.output, asked.warm)
        replica = self._router.choose(prompt, now)
        assert replica is not None  # All are up.
        self._sent[asked] = self._router.begins(replica, prompt, now)
        return replica

    def ended(self, asked: Asked, replica: int, now: float, usage: Usage) -> None:
        """It learns from the reply, which came in one piece."""
        self._router.ends(self._sent.pop(asked), now, usage)


Make = Callable[[int, int], Router]
"""Makes a router for so many replicas with so many KV tokens each."""

ROUND_ROBIN: Final = "round robin"
LEAST_OUTSTANDING: Final = "least outstanding"
CACHE_AWARE: Final = "cache-aware"
LEAST_DELAY: Final = "least delay"
PREFIX: Final = "prefix"
ROUTERS: Final[dict[str, Make]] = {
    ROUND_ROBIN: lambda replicas, kv_tokens: RoundRobin(replicas),
    LEAST_OUTSTANDING: lambda replicas, kv_tokens: LeastOutstanding(replicas),
    CACHE_AWARE: CacheAware,
    LEAST_DELAY: partial(Ours, by=routing.Routing.LEAST_DELAY),
    PREFIX: partial(Ours, by=routing.Routing.PREFIX),
}
