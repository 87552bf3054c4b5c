"""What is shown of results, on made-up ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.apps.__main__ import main
from benchmarks.apps.page import figures, html, text


def _figure(value: float) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None}


def _alone(original: float, tuned: float, ours: float) -> dict[str, Any]:
    over = {"ayo": _figure(original / ours), "tuned": _figure(original / tuned)}
    return {
        "paper": True,
        "same": True,
        "seconds": {"original": _figure(original), "tuned": _figure(tuned), "ayo": _figure(ours)},
        "over_original": over,
        "of_the_bound": 0.8,
        "waited_for": {"llm": 1.0},
        "own": 0.1,
        "at_once": {"llm": (0.5, 1.0), "embedding": (0.1, 0.1)},
        "advice": ["A faster model."],
    }


RESULTS = {
    "a 7B": {
        "naive": {"alone": _alone(4.0, 2.0, 2.0)},
        "search": {"alone": _alone(8.0, 8.0, 1.0)},
    }
}


def test_the_means_are_geometric_and_the_tables_say_emulated() -> None:
    found = figures(RESULTS["a 7B"])
    assert found["over_original"] == pytest.approx(4.0)
    assert found["over_tuned"] == pytest.approx(8.0**0.5)
    shown = text(RESULTS)
    assert "emulated a 7B" in shown
    assert "4.00x of the original in the geometric mean, 2.00x to 8.00x" in shown


def test_the_page_says_emulated_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: "")
    page = html(RESULTS)
    assert page.index("Everything here is emulated.") < page.index("4.00x")
    assert "llm 50% of the time, 2.0 calls at once" in page
    assert "embedding 10%" not in page
    assert "A faster model." in page


def test_an_app_that_cannot_be_asked_by_several_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contextual", "--load", "--json", str(tmp_path / "results.json")]) == 0
    assert "contextual is left out, but for one user: as it is it hangs" in capsys.readouterr().err
