"""Percentiles and intervals of values whose percentiles and spread are known."""

from __future__ import annotations

from random import Random

import pytest

from ayo_bridge.bench.statistics import Figure, interval, mean, median, percentile, percentiles

CHANCE = 7


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.95, 4.8), (1.0, 5.0)]
)
def test_a_percentile_is_interpolated_as_numpys_default_is(share: float, expected: float) -> None:
    assert percentile([5, 3, 1, 2, 4], share) == pytest.approx(expected)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    chance = Random(CHANCE)
    values = [chance.gauss(10, 2) for _ in range(400)]
    found = interval([values], mean, chance)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    half = 1.96 * 2 / 400**0.5
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)
    assert found.low < found.value < found.high


def test_rounds_that_differ_widen_the_interval() -> None:
    alike = interval([[1.0, 2.0, 3.0]] * 6, median, Random(CHANCE))
    apart = interval([[x, x + 0.1, x + 0.2] for x in range(1, 7)], median, Random(CHANCE))
    assert alike == interval([[1.0, 2.0, 3.0]] * 6, median, Random(CHANCE)), "the seed decides"
    assert alike is not None
    assert apart is not None
    assert apart.high is not None
    assert apart.low is not None
    assert apart.low < 2.5 < 4.5 < apart.high


def test_too_little_has_no_interval_and_nothing_has_no_figure() -> None:
    assert interval([[1.0], [3.0]], mean, Random(0)) == Figure(2.0)
    assert interval([[], []], mean, Random(0)) is None


@pytest.mark.parametrize(
    ("calls", "names"), [(19, ["p50"]), (20, ["p50", "p95"]), (100, ["p50", "p95", "p99"])]
)
def test_a_percentile_needs_calls_enough(calls: int, names: list[str]) -> None:
    assert list(percentiles([[1.0] * calls], Random(0))) == names
