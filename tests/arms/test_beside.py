"""The table of the baselines beside virtual time is that of the committed results."""

from __future__ import annotations

import json
from pathlib import Path

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
