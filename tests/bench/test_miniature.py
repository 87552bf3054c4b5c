"""How the miniature judges ratios: by a band, again where one is below, and never by a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import miniature
from benchmarks.miniature import PROGRAMS, Judged, Program, Row, judged, off, read, run, shown

TREE = Program("tree", lambda url, model, embedding: None, 1, 1)


def measures(*ratios: float) -> Callable[[Program], Any]:
    left = iter(ratios)

    def measure(program: Program) -> Any:
        figure = SimpleNamespace(ratio=SimpleNamespace(latency=SimpleNamespace(value=next(left))))
        return SimpleNamespace(differs=False, loads=(figure,), identity=None, advice=())

    return measure


@pytest.mark.parametrize(
    ("ratio", "committed", "found"),
    [
        (1.49, 2.0, Judged.BELOW),
        (1.51, 2.0, Judged.WITHIN),
        (2.49, 2.0, Judged.WITHIN),
        (2.51, 2.0, Judged.ABOVE),
        (1.0, None, Judged.NEW),
    ],
)
def test_the_band_is_a_quarter(ratio: float, committed: float | None, found: Judged) -> None:
    assert judged(ratio, committed) is found
    row = Row("tree", [ratio])
    known = {} if committed is None else {"tree": committed}
    assert off(row, known) == (found is Judged.BELOW)
    assert (str(found) in shown(row, committed)) is True


@pytest.mark.parametrize(
    ("ratios", "tries", "fails"),
    [
        ([2.0], 1, False),
        ([1.0, 2.2], 2, False),
        ([1.0, 1.5, 1.9], 3, False),
        ([1.0, 1.9, 1.0], 3, True),
        ([1.0, 1.1, 1.2], 3, True),
    ],
)
def test_what_is_below_is_measured_again_and_the_median_counts(
    ratios: Sequence[float], tries: int, fails: bool
) -> None:
    (row,) = run([TREE], {"tree": 2.0}, measures(*ratios))
    assert len(row.ratios) == tries
    assert off(row, {"tree": 2.0}) == fails


def test_nothing_is_measured_again_once_the_time_is_up() -> None:
    clock = itertools.count(0.0, 60.0)
    (row,) = run([TREE], {"tree": 2.0}, measures(1.0, 2.0), lambda: next(clock))
    assert row.ratios == [1.0]


def test_what_differs_is_not_measured_again_and_fails() -> None:
    wrong = SimpleNamespace(
        differs=True, loads=(), identity=SimpleNamespace(line="0 of 6 calls the same"), advice=()
    )
    (row,) = run([TREE], {"tree": 2.0}, lambda program: wrong)  # type: ignore[arg-type,return-value]
    assert off(row, {"tree": 2.0})
    assert "DIFFERS: 0 of 6 calls the same" in shown(row, 2.0)


def test_an_update_keeps_the_rows_that_were_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "miniature.json"
    assert read(file) == {}
    miniature.update([Row("tree", [1.5])], {"tree": 2.0, "chain": 1.1}, file)
    assert read(file) == {"tree": 1.5, "chain": 1.1}


def test_every_program_has_a_committed_ratio() -> None:
    assert read().keys() == {each.name for each in PROGRAMS}
