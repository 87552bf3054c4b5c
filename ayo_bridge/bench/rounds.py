"""What was measured: rounds of arms under loads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ayo_bridge.bench.asking import Timed
from ayo_bridge.record.counters import Counters
from ayo_bridge.record.record import CallRecord


@dataclass(slots=True)
class Round:
    """One arm's turn under one load: a round, or a part of one.

    Args:
        number: turns of one number are a pair: the same sessions, at the same times.
        wall: seconds from its start to the end of its last call.
        cpu: seconds for which cores worked for this process.
        whole: whether it came to its end.
        records: what ayo-bridge knows of its calls; none of the original.
        before, after: its counters.
        memory: bytes that the process took beyond what it had before; ``None``: not known.
    """

    arm: str
    load: str
    number: int
    calls: list[Timed] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0
    whole: bool = False
    records: Sequence[CallRecord] = ()
    before: Counters = field(default_factory=Counters)
    after: Counters = field(default_factory=Counters)
    memory: int | None = None

    @property
    def answered(self) -> list[Timed]:
        """The calls that did not raise."""
        return [call for call in self.calls if not call.error]


def in_order(arms: Sequence[str], number: int) -> list[str]:
    """Who comes first in a round: forward and backward in turn, so that each is as often early."""
    return list(arms if number % 2 == 0 else reversed(arms))


def pairs(before: Iterable[Round], after: Iterable[Round]) -> Iterator[list[tuple[Timed, Timed]]]:
    """The calls of two arms that asked the same in rounds of one number; a list for each round.

    In a round that asks a session several times, its n-th call of the one stands against the n-th
    of the other.
    """
    others = {each.number: each for each in after}
    for each in before:
        if (other := others.get(each.number)) is None:
            continue
        there = _numbered(other)
        found = [(one, there[key]) for key, one in _numbered(each).items() if key in there]
        if found:
            yield found


def _numbered(each: Round) -> dict[tuple[int, int, int], Timed]:
    seen: dict[tuple[int, int], int] = {}
    numbered: dict[tuple[int, int, int], Timed] = {}
    for call in each.calls:
        key = (call.session, call.turn)
        seen[key] = seen.get(key, 0) + 1
        numbered[*key, seen[key]] = call
    return numbered


__all__ = ["Round", "in_order", "pairs"]
