"""Bounds, statistics and the page, on made-up results."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.paper.__main__ import PAGE, fingerprint_of, known_results
from benchmarks.paper.jobs import Outcome, percentile, statistics
from benchmarks.paper.latency import better
from benchmarks.paper.page import page
from benchmarks.paper.parameters import FILE
from benchmarks.paper.ratios import (
    over_best_baseline,
    over_llamadist,
    over_paper_system,
    possible,
)
from benchmarks.paper.schemes import OURS, PAPER, SCHEMES

VEGA = "/* draws the charts */"
SCRIPT = re.compile(r"(?<=<script>).*?(?=</script>\n<script>\nconst options)", re.DOTALL)
"""All of Vega, on one long line."""


@pytest.fixture(autouse=True)
def _without_vega(monkeypatch: pytest.MonkeyPatch) -> None:
    """Putting it together takes two seconds."""
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: VEGA)


def panel(**means: list[float]) -> dict[str, Any]:
    curves = {arm: [{"mean": value} for value in (8.0, 16.0)] for arm in SCHEMES}
    curves |= {arm: [{"mean": value} for value in values] for arm, values in means.items()}
    return {
        "app": "advanced",
        "dataset": "TruthfulQA",
        "core": "7B",
        "scaled": False,
        "queries": 60,
        "rates": [0.6, 8.0],
        "curves": curves,
        "bound": [2.0, 3.0],
        "paper": {},
    }


def test_ratios_take_the_best_of_the_others_at_each_point() -> None:
    made = panel(**{OURS: [4.0, 8.0], PAPER: [5.0, 8.0], "LlamaDist+PO": [6.0, 20.0]})
    assert over_llamadist(made) == [1.5, 2.0]
    assert over_best_baseline(made) == [1.5, 2.0]
    assert over_paper_system(made) == [1.25, 1.0]
    assert possible(made) == [3.0, pytest.approx(16 / 3)]
    assert possible(made, ("LlamaDist+TO",)) == [4.0, pytest.approx(16 / 3)]


def test_percentiles() -> None:
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([1.0, 2.0], 75) == 1.75
    assert percentile([4.0], 99) == 4.0


def test_statistics_are_over_all_seeds_or_one_app() -> None:
    runs = [
        Outcome(("a", "b"), (1.0, 5.0), (0.5, 0.5), (0, 0), 6.0),
        Outcome(("a", "b"), (3.0, 7.0), (1.5, 0.5), (0, 0), 8.0),
    ]
    assert statistics(runs)["mean"] == 4.0
    assert statistics(runs, "a") == {
        "mean": 2.0,
        "p50": 2.0,
        "p95": 2.9,
        "p99": 2.98,
        "first_token": 1.0,
        "seconds": 7.0,
    }


def test_a_system_is_drawn_under_the_better_policy_of_each_point() -> None:
    first, second = better({"Ayo+PO": [1.0, 5.0], "ours": [1.0, 1.0], "Ayo+TO": [2.0, 3.0]})
    assert (first.label, first.values, first.notes) == ("Ayo", [1.0, 3.0], ["Ayo+PO", "Ayo+TO"])
    assert second.label == "ours"


def test_the_page_is_self_contained_and_says_what_is_missed() -> None:
    made = panel(**{OURS: [4.0, 8.0]})
    text = page({"fig8": {"parameters": "p", "panels": [made]}}, "p")
    assert text.index("In one picture") < text.index("Targets") < text.index("Fig. 8")
    assert re.search(
        r"over LlamaDist at 0.6/s \(.*?\)</td><td>2.2x</td><td>2.00x</td>.*?missed", text
    )
    assert re.search(r"over LlamaDist at 8/s \(.*?\)</td><td>1.7x</td><td>2.00x</td>.*?met", text)
    assert text.count(VEGA) == 1
    assert text.count('class="chart"') == 2
    assert not re.search(r'<[^>]+ (src|href)="', text)


def test_the_page_compares_with_engines_to_spare() -> None:
    means = {OURS: (5.0, 4.0), "LlamaDist+TO": (7.0, 5.0), "LlamaDistPC+TO": (6.0, 4.4)}
    arms = {
        arm: {"there_are": [loaded], "to_spare": [alone]} for arm, (loaded, alone) in means.items()
    }
    made = {"parameters": "p", "rates": [0.6], "datasets": {"TruthfulQA": arms}}
    text = page({"contention": made}, "p")
    assert "<td>LlamaDist+TO</td><td>7.00</td><td>5.00</td>" in text
    assert "1.25x as fast as LlamaDist and 1.10x as fast as LlamaDistPC" in text


def test_the_page_says_which_results_are_of_other_parameters() -> None:
    results = {"table3": {"parameters": "old", "rows": []}}
    assert "other parameters: table3" in page(results, "new")
    assert "other parameters" not in page(results, "old")


def test_the_page_that_is_there_is_made_from_the_results_that_are_there() -> None:
    made = page(known_results(), fingerprint_of(FILE.read_text(encoding="utf-8")))
    there = PAGE.read_text(encoding="utf-8")
    scripts = SCRIPT.findall(there)
    assert [len(script) > 500_000 for script in scripts] == [True], "one copy of Vega"
    same = made == there.replace(scripts[0], VEGA)
    assert same, "make it anew: python -m benchmarks.paper page"
