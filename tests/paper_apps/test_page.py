"""What is shown of results, on made-up ones."""

from __future__ import annotations

from typing import Any

import pytest

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


def test_an_app_that_was_measured_under_load_alone_is_shown_with_how_it_was_asked() -> None:
    arms = {arm: {"mean": mean, "p95": None} for arm, mean in (("original", 3.0), ("ayo", 2.0))}
    load = {"rate": 1.5, "same": True, "throughput": {"original": 2.0, "ayo": 3.0}, "arms": arms}
    shown = text({"a 7B": {"contextual": {"loaded": load}}})
    assert ["contextual", "1.50", "1.50x", "-", "1.50x"] in [
        each.split() for each in shown.splitlines()
    ]
    assert "contextual as an endpoint that is awaited" in shown
    assert "one user" not in shown
