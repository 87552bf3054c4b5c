"""What the charts of the results pages are made of; how they look is for test_layout."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ayo_bridge.pages.charts import (
    COLOURS,
    Bar,
    Curve,
    Ratio,
    Series,
    lines,
    ratios,
    seconds,
    shares,
    speedups,
)
from benchmarks.learned.page import page


def test_a_colour_means_one_thing() -> None:
    meanings: dict[str, set[str]] = {}
    for name, colour in COLOURS.items():
        meanings.setdefault(colour, set()).add(name)
    shared = [names for names in meanings.values() if len(names) > 1]
    assert shared == [
        {"Ayo", "all", "topology"},
        {"ours", "accelerated", "prefix"},
        {"bound", "at best"},
    ]


def test_the_papers_curve_has_the_colour_of_ours_and_is_dashed() -> None:
    made = lines([1.0, 2.0], [Curve("Ayo", [1.0, 3.0]), Curve("Ayo", [2.0, 2.5], paper=True)])
    line = json.dumps(made["layer"][0]["encoding"])
    assert '"domain": ["Ayo"]' in line
    assert '"domain": ["here", "in the paper"], "range": [[1, 0], [5, 4]]' in line


def test_every_chart_takes_the_width_of_its_box() -> None:
    bars = [Bar("a", 2.0, "ours", 3.0), Bar("b", 0.9, "ours")]
    points = [Ratio("row", "ours", 2.0, "a")]
    for chart in (
        lines([1.0, 2.0], [Curve("ours", [1.0, 3.0])]),
        ratios(points, points, [Series("ours", "ours")]),
        speedups(bars),
        seconds(bars),
        shares({"a": {"queueing": 40.0, "execution": 60.0}}),
    ):
        assert chart["width"] == "container"
        assert "config" not in chart


def learned(ratio: float | None, **more: Any) -> dict[str, Any]:
    arm = {"seconds": [0.2, 0.4, 0.3], "requests": 6, "warms_and_probes": 2}
    return {
        "group": "plain",
        "ratio": ratio,
        "ideal_ratio": 2.0,
        "refused": "" if ratio else "nobody knows it",
        "equal": True,
        "in_vain": 0,
        "original": arm,
        "accelerated": arm if ratio else None,
        **more,
    }


def test_the_page_of_applications_has_each_of_them_and_those_that_were_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: "")
    results = {
        "latencies": {"llm": 0.1, "embedding": 0.02, "search": 0.01},
        "settings": {"learn": 6, "rounds": 3, "threads": 1, "tasks": 1},
        "applications": {
            "fast": learned(1.8),
            "slow": learned(0.9, equal=False),
            "other": learned(None),
        },
    }
    text = page(results)
    assert "2 of 3" in text
    assert "1.27x" in text, "the geometric mean of 1.8 and 0.9"
    assert re.search(r"<td>fast</td><td>300</td><td>300</td><td>1.80x</td><td>2.00x</td>", text)
    assert "<td>refused: nobody knows it</td>" in text
    assert "<td>DIFFERENT</td>" in text
    assert "an LLM call takes 100 ms" in text
