"""The table of the baselines beside virtual time is that of the committed results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.apps.arms import beside

HERE = Path(beside.__file__).parent
ARM = "llamadist-to"
ROW = {"app": "naive", "load": "1 user", "arm": ARM, "real": 3.0, "virtual": 2.0, "ray": None}


def test_the_readme_has_the_table_of_the_results() -> None:
    rows = json.loads((HERE / "results.json").read_text("utf-8"))
    assert {row["app"] for row in rows} == {"naive", "advanced"}
    assert f"```text\n{beside.table(rows)}```" in (HERE / "README.md").read_text("utf-8")


def test_what_is_off_by_more_than_the_band_is_named() -> None:
    assert beside.off([ROW]) == ["naive llamadist-to at 1 user 1.50"]
    near = ROW | {"real": 2.2, "ray": 2.5}
    assert beside.off([near]) == ["naive llamadist-to at 1 user on Ray 1.25"]
    assert beside.off([{"app": "naive", "load": "1 user", "arm": "original", "real": 9.0}]) == []
    line = beside.table([near]).splitlines()[1].split()
    assert line == ["naive", "1", "user", "llamadist-to", "2.20", "2.50", "2.00", "1.10", "1.25"]


@pytest.mark.parametrize(
    ("arguments", "what", "instead"),
    [
        ("--rate 0", "argument --rate: 0 is no number above 0", "write one such as 0.5"),
        ("--rate 1 -1", "argument --rate: -1 is no number above 0", "write one such as 0.5"),
        ("--rate nan", "argument --rate: nan is no number above 0", "write one such as 0.5"),
        ("--rate 1 --seconds inf", "argument --seconds: inf is no number", "write one such as 0.5"),
        ("--rate 0.1 --seconds 9", "0.1/s for 9 s is less than one arrival", "raise --seconds"),
        ("--rate 1e-300 --seconds 1", "is less than one arrival", "raise --seconds"),
        ("--users", "nothing is asked", "give --users, --rate, or both"),
        ("--users 0", "argument --users: 0 is no number above 0", "write 1 or more"),
        ("--questions 0", "argument --questions: 0 is no number above 0", "write 1 or more"),
        ("--rounds 1.5", "argument --rounds: 1.5 is no number above 0", "write 1 or more"),
    ],
)
def test_a_load_that_cannot_be_is_refused_with_what_would_do(
    arguments: str, what: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        beside.main(arguments.split())
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert what in said
    assert instead in said


def test_loads_are_users_at_a_time_then_arrivals() -> None:
    assert [load.name for load in beside.loads_of([1, 4], [0.5], 30)] == [
        "1 user",
        "4 users",
        "0.5/s",
    ]
