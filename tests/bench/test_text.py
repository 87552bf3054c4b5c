"""A report for people: what stands where, in 80 columns."""

from __future__ import annotations

import json
from dataclasses import replace

from ayo_bridge.bench.report import Report
from ayo_bridge.bench.statistics import Figure
from ayo_bridge.bench.text import as_text
from tests.bench.made import made_up


def test_the_verdict_comes_first_then_what_differs_then_tables() -> None:
    text = as_text(made_up())
    lines = text.splitlines()
    assert lines[0].startswith("1.50x (1.50-1.50) at 1 user, ")
    assert "of what the data dependencies allow; 1.50x (1.50-1.50) at 4 users;" in text.replace(
        "\n", " "
    )
    assert text.index("What is it?") < text.index("p50 (95 %)") < text.index("first p50 (95 %)")
    assert text.index("left out") < text.index("on the critical path") < text.index("Seed 0")
    assert "0.5/s" in text
    assert "decoding-pipelining  3.00x (3.00-3.00)" in text
    assert max(map(len, lines)) <= 80


def test_json_has_all_of_it() -> None:
    data = json.loads(json.dumps(made_up().to_dict(), default=str))
    assert data["same"] is False
    assert data["measured"]["interrupted"] == "1/s, round 3 of 3"
    (first, *_) = data["loads"]
    assert [arm["arm"] for arm in first["arms"]] == ["original", "ayo", "no decoding-pipelining"]
    assert len(first["arms"][0]["seconds"][0]) == 10
    assert first["ratio"]["latency"]["value"] == 1.5


def test_what_is_no_gain_is_called_so() -> None:
    report = made_up()

    def verdict(value: float, low: float, high: float) -> str:
        (first, *_) = report.loads
        ratio = replace(first.ratio, latency=Figure(value, low, high))
        loads = (replace(first, ratio=ratio),)
        return Report(report.said, report.identity, loads, None, report.path).verdict

    assert verdict(0.99, 0.95, 1.02).startswith("no difference, 0.99x (0.95-1.02), at 1 user")
    assert verdict(0.9, 0.85, 0.95).startswith("SLOWER, 0.90x (0.85-0.95), at 1 user")
