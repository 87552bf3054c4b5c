"""Which replica of an LLM a request goes to. Pure: state, a request and the time decide.

The rule is that of the simulator (:func:`ayo_bridge.simulate.least_delay`): a request goes where
all requests together lose the least time. A prompt holds up every sequence of a replica while it is
prefilled, and waits for the prompts before it; what a replica has of it in its prefix cache takes
no time. So a request follows its prefix, unless waiting there costs more than the prefill saves.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from ayo_bridge.schedule.delays import Delays
from ayo_bridge.schedule.loads import Loads
from ayo_bridge.schedule.prefixes import CHUNK_TOKENS, NOTHING, Known, Prefixes
from ayo_bridge.schedule.refusals import Refusals
from ayo_bridge.schedule.replica import Prompt, Replica, Sent
from ayo_bridge.seam import Usage

DOWN: Final = 30.0
"""Seconds after which a replica that has failed is tried again if nobody has seen it answer; they
double with each further failure."""
LONGEST_DOWN: Final = 600.0
LONGEST_AGAIN: Final = 60.0
"""Seconds for which one is left out at most that answers when it is asked how it is."""
_ALIKE: Final = 0.1
"""Share of a prompt's prefill by which delays may differ and count as equal."""
_CONSIDERED: Final = 16
"""Of the least loaded replicas so many are looked at, and all that have something of the prompt: a
choice among a thousand costs what one among these does."""
_ENOUGH: Final = 4
"""Chunks in a cache from which on a reply shows whether they were there."""
_SHARE: Final = 1 / 8
"""Share of a prompt that one query has begun, from which on it goes where that is, of equals."""
_AT_ONCE: Final = 1.0
"""Seconds within which a host says that it takes no connection."""
_SILENT: Final = 2.0
"""So many times as long as requests take is waited in vain, if that is to count."""
_LONGEST_KEPT: Final = 0.98
"""What is left of the longest time that a request has taken with each further one."""
_SILENCES: Final = 2
"""Such requests in a row, until a replica that has answered before counts as failed."""
_STREAMED: Final = 0.9
"""Share of its time within which the first bytes of a reply have come that is streamed."""


class Routing(enum.StrEnum):
    """How the replica of a request is chosen."""

    PREFIX = "prefix"
    """Least delay, where what a replica has in its prefix cache takes no time."""
    LEAST_DELAY = "least_delay"
    """Least delay, of prompts that have nothing in common."""
    LEAST_OUTSTANDING = "least_outstanding"
    """The fewest requests on their way."""
    ROUND_ROBIN = "round_robin"
    """One after the other."""
    EXTERNAL = "external"
    """A router at one URL decides, and is told which requests belong together."""


class Router:
    """Chooses between the replicas of one model. Not thread-safe.

    Args:
        replicas: how many there are; they are numbered.
        routing: how to choose.
    """

    def __init__(self, replicas: int, routing: Routing = Routing.PREFIX) -> None:
        self.routing = routing
        self.delays = Delays()
        self._prefixes = Prefixes(replicas)
        self._replicas = [Replica() for _ in range(replicas)]
        self._loads = Loads(replicas)
        """Sequences that each decodes sooner or later: a warm is not."""
        self._refusals = Refusals()
        """Whom they do not know,"""
        self._limits = Refusals()
        """and of whom they have too much."""
        self._turn = 0
        self._tells_cached = False
        self._answered = float("-inf")
        """When a request was sent that has ended well, the last of them."""
        self._longest = 0.0
        """Seconds of the longest of late."""

    # Asked by whoever sends.

    def choose(self, prompt: Prompt, now: float, tried: Collection[int] = ()) -> int | None:
        """The replica for a request, none of those ``tried`` nor one that refuses its caller.

        ``None``: no other one is up.
        """
        refuse = self._refusals.by(prompt.caller, now)
        rest = self._limits.by(prompt.caller, now)
        if refuse or rest:
            tried = {*tried, *refuse, *rest}
        if self.routing in (Routing.PREFIX, Routing.LEAST_DELAY):
            chosen = self._least_delay(prompt, now, tried)
            if chosen is not None:
                return chosen
        left = [number for number in range(len(self._replicas)) if number not in tried]
        up = [number for number in left if self.is_up(number, now)]
        if not up:
            there = [n for n in left if not self._replicas[n].gone]
            if tried:  # Rather one that is not trusted yet than none.
                there = [n for n in there if self._replicas[n].answers(now)]
            return min(there, key=lambda n: self._replicas[n].waits) if there else None
        if self.routing is Routing.LEAST_OUTSTANDING:
            return self._fewest(up)
        return self._next(up)

    def rather(self, prompt: Prompt, now: float, tried: Collection[int]) -> int | None:
        """One that is rather asked than none: see :meth:`choose`, which has found no other one.

        It has refused the caller, or has failed at once: perhaps it is back, and nobody knows yet.
        """
        tried = {*tried, *self._limits.by(prompt.caller, now)}
        near = [n for n, r in enumerate(self._replicas) if r.near and self.is_down(n)]
        left = [number for number in near if number not in tried]
        if left:
            return min(left, key=lambda number: self._replicas[number].until)
        return self.choose(replace(prompt, caller=None), now, tried)

    def _next(self, numbers: Iterable[int]) -> int:
        count = len(self._replicas)
        chosen = min(numbers, key=lambda number: (number - self._turn) % count)
        self._turn = (chosen + 1) % count
        return chosen

    def _least_delay(self, prompt: Prompt, now: float, tried: Collection[int]) -> int | None:
        """The best of those that are looked at; ``None``: none of these is up."""
        known = self._known(prompt)
        idle = (n for n in self._loads.idlest() if n not in tried and self.is_up(n, now))
        up = dict.fromkeys(itertools.islice(idle, _CONSIDERED))
        up |= {n: None for n in known if n not in tried and self.is_up(n, now)}
        if not up:
            return None
        costs = {n: self._delay(n, prompt, known.get(n, NOTHING).worth, now) for n in up}
        most = min(costs.values()) + _ALIKE * self.delays.prefill * prompt.tokens
        alike = [number for number, cost in costs.items() if cost <= most]
        # Elsewhere its prefix would be computed twice, which takes the time of others.
        length = prompt.tokens / CHUNK_TOKENS
        half, some = length / 2, max(_ENOUGH, _SHARE * length)
        follows = [n for n in alike if known.get(n, NOTHING).worth >= half > 0]
        near = [n for n in alike if known.get(n, NOTHING).near >= some]
        return self._fewest(follows or near or alike)

    def _fewest(self, numbers: Sequence[int]) -> int:
        """The one with the fewest requests on their way, warms among them; of equals in turn."""
        fewest = min(self._replicas[number].sequences for number in numbers)
        return self._next([n for n in numbers if self._replicas[n].sequences == fewest])

    def _known(self, prompt: Prompt) -> dict[int, Known]:
        if self.routing is Routing.PREFIX and prompt.chain:
            return self._prefixes.known(prompt.chain)
        return {}

    def _delay(self, number: int, prompt: Prompt, worth: float, now: float) -> float:
        """Seconds lost by all if a request goes to a replica."""
        replica, delays = self._replicas[number], self.delays
        others = self._loads[number]
        own = delays.prefill * max(prompt.tokens - worth * CHUNK_TOKENS, 1.0)
        # It is decoded more slowly for each other sequence, and each of these for it.
        decoding = 2 * self._output(prompt) * delays.beside * others
        # Prompts as long as its own wait for each other, wherever they are.
        usual = len(replica.sent) * delays.prefill * prompt.tokens
        return own * (1 + others) + max(0.0, replica.prefilled - now - usual) + decoding

    def _output(self, prompt: Prompt) -> float:
        """Tokens that a request will have written; those of whoever follows, for a warm."""
        said = 0 if prompt.warm else prompt.output
        return min(said, self.delays.output) if said else self.delays.output

    def is_up(self, number: int, now: float) -> bool:
        """Whether a replica has not failed of late."""
        replica = self._replicas[number]
        return now >= replica.waits and not replica.gone

    def sequences(self, number: int) -> int:
        """Requests on their way to a replica, those of others among them."""
        return self._replicas[number].sequences

    def own(self, number: int) -> int:
        """Requests on their way to a replica that went by this router."""
        return len(self._replicas[number].sent)

    def takes(self, number: int, now: float) -> bool:
        """Whether a replica takes anybody's requests, as far as is known."""
        refuses = self._refusals.all_by(number, now) or self._limits.all_by(number, now)
        return self.is_up(number, now) and not refuses

    def takes_already(self, sent: Sent) -> bool:
        """Whether nothing is new if a replica takes a request. Needs no lock."""
        number, caller = sent.replica, sent.prompt.caller
        return self._refusals.known(number, caller) and self._limits.known(number, caller)

    # Told by whoever has sent.

    def begins(self, number: int, prompt: Prompt, now: float) -> Sent:
        """A request is sent to a replica."""
        replica, known = self._replicas[number], NOTHING
        if self.routing is Routing.PREFIX and prompt.chain:
            known = self._prefixes.at(prompt.chain, number)
            self._prefixes.sent(prompt.chain, number)
        fresh = max(prompt.tokens - known.chunks * CHUNK_TOKENS, 1.0)
        ahead = max(0.0, replica.prefilled - now)
        before = fresh + ahead / self.delays.prefill
        sent = Sent(number, prompt, known, now, before, self._loads[number])
        replica.prefilled = now + ahead + self.delays.prefill * fresh
        replica.sent.add(sent)
        self._loads.put(number, self._loads[number] + (not prompt.warm))
        return sent

    def ends(
        self, sent: Sent, now: float, usage: Usage | None = None, first: float | None = None
    ) -> None:
        """A request has ended well.

        ``usage`` is what its reply says of tokens; its ``first`` bytes came after so many seconds.
        """
        self._replicas[sent.replica].well(sent.began, now)
        self._answered = max(self._answered, sent.began)
        self._longest = max(now - sent.began, _LONGEST_KEPT * self._longest)
        self.drops(sent, now)
        if usage is None or not usage.prompt_tokens:
            return
        self._tells_cached = self._tells_cached or usage.cached_tokens > 0
        if self._tells_cached and sent.known.chunks >= _ENOUGH:
            cached = usage.cached_tokens / CHUNK_TOKENS
            self._prefixes.learn(sent.replica, sent.known, cached)
        self._learn(sent, now - sent.began, usage, first)

    def _learn(self, sent: Sent, seconds: float, usage: Usage, first: float | None) -> None:
        output, delays = usage.completion_tokens, self.delays
        others = (sent.others + self._loads[sent.replica]) / 2
        if not sent.prompt.warm:
            delays.wrote(output)
        if first is not None and first < _STREAMED * seconds:
            delays.began(sent.before, first)
            delays.decoded(output, others, seconds - first)
        else:
            delays.whole(sent.before, output, others, seconds)

    def is_taken(self, sent: Sent) -> None:
        """A replica takes a request: it knows its caller, and does not have too much of him."""
        for each in (self._refusals, self._limits):
            each.takes(sent.replica, sent.prompt.caller, sent.began)

    def refuses(self, sent: Sent, now: float) -> None:
        """A replica has refused who made a request, which another one takes."""
        number = sent.replica
        if self._refusals.refuses(number, sent.prompt.caller, now, sent.began):
            self._refusals.forget(number)
            self.fails(number, now, sent.began)

    def limits(self, sent: Sent, now: float, seconds: float) -> None:
        """A replica takes nothing more for some time of who made a request."""
        number = sent.replica
        if self._limits.refuses(number, sent.prompt.caller, now, sent.began, seconds):
            self._limits.forget(number)
            self.rests(number, now, seconds)

    def drops(self, sent: Sent, now: float) -> None:
        """A request is no longer there: nothing is learned of it."""
        replica = self._replicas[sent.replica]
        if sent in replica.sent:
            replica.sent.remove(sent)
            self._loads.put(sent.replica, self._loads[sent.replica] - (not sent.prompt.warm))
        if not replica.sent:
            replica.prefilled = now

    def gives_up(self, sent: Sent, now: float) -> None:
        """A request was given up: its caller has gone, or waits no longer.

        That says little of its replica. But one that takes requests and answers none has the least
        to do, and would be chosen before all others: so it counts as failed if it lets one caller
        after the other wait for longer than any request takes, while others answer theirs.
        """
        self.drops(sent, now)
        replica = self._replicas[sent.replica]
        waited = now - sent.began
        if replica.answered >= sent.began or not 0 < _SILENT * self._longest < waited:
            return
        self._prefixes.forget(sent.replica)
        if not replica.silences:
            replica.silent = sent.began
        replica.silences += 1
        enough = replica.silences >= _SILENCES or replica.failures
        if enough and self._answered >= replica.silent:
            self.fails(sent.replica, now, sent.began)

    def fails(self, number: int, now: float, began: float | None = None) -> None:
        """A replica was not reached, or hung up: it is left out until it answers.

        ``began`` is when a request was sent that has failed there. Of one failure all requests tell
        that are on their way, and some only after it has come back: it counts once.
        """
        replica = self._replicas[number]
        if began is not None and began < replica.back:
            return
        if not replica.down:
            replica.down = DOWN
            replica.failures += 1
        elif now >= replica.until:  # Somebody has tried it again.
            replica.down = min(2 * replica.down, LONGEST_DOWN)
        else:
            return
        replica.until, replica.near, replica.failed = now + replica.down, False, now
        self._others_have(number, 0)
        self._prefixes.forget(number)

    def misses(self, sent: Sent, now: float) -> None:
        """A request has not reached its replica, or that has hung up before it replied."""
        self.drops(sent, now)
        self.fails(sent.replica, now, sent.began)
        self._replicas[sent.replica].near = now - sent.began < _AT_ONCE

    def rests(self, number: int, now: float, seconds: float) -> None:
        """A replica takes nothing for some time: it drains, or has too much to do."""
        replica = self._replicas[number]
        replica.rest = max(replica.rest, now + seconds)

    def is_down(self, number: int) -> bool:
        """Whether a replica has failed and has not answered since."""
        replica = self._replicas[number]
        return replica.down > 0 and not replica.gone

    def returns(self, number: int, now: float) -> None:
        """A replica that has failed answers again.

        One that says it is well and fails all the same is left out for longer each time: with
        nothing to do it would be chosen before all others.
        """
        replica = self._replicas[number]
        again = min(2.0 ** (replica.failures - 1) - 1, LONGEST_AGAIN) if replica.failures else 0.0
        replica.down, replica.until, replica.back = 0.0, now + again, now
        self._forget_callers(number)

    # Which there are.

    def add(self) -> int:
        """There is one more; returns its number."""
        self._replicas.append(Replica())
        self._prefixes.add()
        self._loads.add()
        return len(self._replicas) - 1

    def removes(self, number: int) -> None:
        """One takes nothing any more; what is on its way there comes back as ever."""
        self._replicas[number].gone = True

    def is_gone(self, number: int) -> bool:
        """Whether one was removed."""
        return self._replicas[number].gone

    def restores(self, number: int) -> None:
        """One that was removed is there again, and begins anew."""
        replica = self._replicas[number]
        replica.gone, replica.down, replica.failures = False, 0.0, 0
        replica.until = replica.rest = float("-inf")
        self._forget_callers(number)
        self._prefixes.forget(number)

    def _forget_callers(self, number: int) -> None:
        for each in (self._refusals, self._limits):
            each.forget(number)

    def seen(self, number: int, sequences: int) -> None:
        """A replica says how many sequences it has in all."""
        self._others_have(number, max(0, sequences - len(self._replicas[number].sent)))

    def _others_have(self, number: int, sequences: int) -> None:
        replica = self._replicas[number]
        self._loads.put(number, self._loads[number] + sequences - replica.foreign)
        replica.foreign = sequences


__all__ = ["Prompt", "Router", "Routing", "Sent"]
