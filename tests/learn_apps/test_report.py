"""What is shown and written of measured applications."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.learned.app import App, Group, exactly
from benchmarks.learned.arms import Arm, Row
from benchmarks.learned.catalogue import APPS
from benchmarks.learned.engines import Latencies
from benchmarks.learned.report import show, write


def row(name: str, fast: list[float] | None, ideal: float | None = None) -> Row:
    app = App(name, Group.PLAIN, lambda _: pytest.fail("never built"), exactly(1), target=2.0)
    arm = None if fast is None else Arm(fast)
    refused = "" if fast else "nobody knows it"
    return Row(app, Arm([1.0, 2.0, 3.0]), arm, True, ideal, refused)


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians() -> None:
    # Ratios 10, 1 and 1.5; the medians are 2 and 2.
    assert row("a", [0.1, 2.0, 2.0]).ratio == 1.5


def test_the_mean_is_geometric_and_over_what_was_accelerated_only() -> None:
    console = Console(file=(shown := io.StringIO()), width=200)
    rows = [row("a", [0.25, 0.5, 0.75]), row("b", [1.0, 2.0, 3.0], 0.5), row("c", None)]
    show(rows, console)
    text = shown.getvalue()
    assert "geometric mean of 2: 2.00x" in text
    assert "of 1 with a known ideal: 1.00x of 4.00x" in text
    assert "nobody knows it: c" in text


def test_what_is_written_has_every_application_with_its_target(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    write([row("a", [1.0, 1.0, 1.0]), row("b", None)], Latencies(), {"rounds": 3}, file)
    figures = json.loads(file.read_text())
    assert figures["latencies"] == {"llm": 0.1, "embedding": 0.02, "search": 0.01}
    assert figures["applications"]["a"]["ratio"] == 2.0
    assert figures["applications"]["a"]["target"] == 2.0
    assert figures["applications"]["b"]["accelerated"] is None


def test_every_row_of_the_survey_has_a_target() -> None:
    assert all(app.target is not None for app in APPS.values() if app.group is Group.TABLE)


def test_an_application_whose_client_belongs_to_one_loop_is_no_coroutine() -> None:
    assert not [app.name for app in APPS.values() if app.on_loop and app.one_thread]
