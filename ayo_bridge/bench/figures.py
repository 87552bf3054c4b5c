"""The numbers of one load, and of what is left out of the accelerated arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from ayo_bridge.bench.observed import Work, worked
from ayo_bridge.bench.rounds import Round, pairs
from ayo_bridge.bench.statistics import Figure, interval, mean, median, percentiles


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """An arm under a load. Times in seconds.

    Args:
        calls: how many were made; ``errors`` of them raised and are in no other figure.
        latency, first: by percentile, as far as there are calls enough.
        throughput: answers a second, by whole rounds.
        cpu: seconds for which cores worked for this process, a call.
        memory: bytes that the process took beyond what it had before, at most, of a run.
    """

    arm: str
    calls: int
    errors: int
    latency: dict[str, Figure]
    first: dict[str, Figure]
    throughput: Figure | None
    cpu: Figure | None
    seconds: list[list[float]] = field(default_factory=list)
    """Latencies by round."""
    memory: Figure | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """The original's over the accelerated arm's: above 1 is faster.

    Args:
        latency, first: the median over pairs of calls that asked the same in the same round.
        throughput: the mean over pairs of rounds, accelerated over original.
    """

    latency: Figure | None
    first: Figure | None
    throughput: Figure | None


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """All of one load."""

    load: str
    open: bool
    arms: tuple[ArmFigures, ...]
    ratio: Ratio
    work: Work
    others: dict[str, Ratio] = field(default_factory=dict)
    """The ratios of further arms, by name: of what is left without a pass, among others."""


def figures(
    load: str, rounds: Sequence[Round], arms: Sequence[str], *, opened: bool, seed: int
) -> LoadFigures | None:
    """What was measured under a load; ``None``: one of the first two arms has no answer."""
    chance = Random(f"{seed} {load}")
    of = {arm: [each for each in rounds if each.load == load and each.arm == arm] for arm in arms}
    shown = [_arm(arm, of[arm], chance) for arm in arms]
    if not all(each.seconds for each in shown[:2]):
        return None
    first, second, *others = arms
    return LoadFigures(
        load,
        opened,
        tuple(shown),
        ratio(of[first], of[second], chance, opened=opened),
        worked((r.records, r.before, r.after, len(r.calls), r.wall) for r in of[second]),
        {other: ratio(of[first], of[other], chance, opened=opened) for other in others},
    )


def _arm(arm: str, rounds: Sequence[Round], chance: Random) -> ArmFigures:
    seconds = [[call.seconds for call in each.answered] for each in rounds]
    first = [[call.first for call in each.answered if call.first is not None] for each in rounds]
    whole = [each for each in rounds if each.whole and each.answered]
    return ArmFigures(
        arm,
        sum(len(each.calls) for each in rounds),
        sum(bool(call.error) for each in rounds for call in each.calls),
        percentiles(seconds, chance),
        percentiles(first, chance),
        interval([[len(each.answered) / each.wall] for each in whole], mean, chance),
        interval([[each.cpu / len(each.calls)] for each in whole], mean, chance),
        [each for each in seconds if each],
        interval([[each.memory] for each in whole if each.memory is not None], median, chance),
    )


def ratio(
    before: Sequence[Round], after: Sequence[Round], chance: Random, *, opened: bool
) -> Ratio:
    """How many times as fast ``after`` is. Where sessions arrive, throughput is theirs."""
    matched = list(pairs(before, after))
    latency = [
        [o.seconds / f.seconds for o, f in each if not (o.error or f.error)] for each in matched
    ]
    first = [
        [o.first / f.first for o, f in each if o.first is not None and f.first] for each in matched
    ]
    throughput: list[list[float]] = []
    others = {each.number: each for each in after if each.whole and each.answered}
    for each in before:
        other = others.get(each.number)
        if each.whole and each.answered and other is not None:
            rate = len(each.answered) / each.wall
            throughput.append([len(other.answered) / other.wall / rate])
    return Ratio(
        interval(latency, median, chance),
        interval(first, median, chance),
        None if opened else interval(throughput, mean, chance),
    )


__all__ = ["ArmFigures", "LoadFigures", "Ratio", "figures", "ratio"]
