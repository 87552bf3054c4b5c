"""The paper's figures, as digitised from its arXiv v1 (+-2 %); see ``data/README.md``."""

from __future__ import annotations

import csv
from functools import cache
from typing import Final

from benchmarks.paper.parameters import HERE

APPS: Final = {"SE": "search", "NaiveRAG": "naive", "AdvRAG": "advanced"}
Key = tuple[str, str, str, str]
"""App, dataset, core LLM, scheme; the paper's own system is called ``Ayo`` as it is here."""

# Fig. 10 (v1: Fig. 9), advanced app, TruthfulQA, 30B: mean latency (s) by rate (requests/s).
ABLATION: Final = {
    "none": (7.9, 9.9, 16.9, 19.6, 20.7, 21.8, 22.9),
    "passes 2 and 4": (7.2, 8.4, 15.2, 18.3, 18.9, 19.9, 21.0),
    "passes 1 and 3": (5.9, 7.8, 12.8, 16.8, 17.8, 18.7, 19.9),
    "all": (4.6, 5.7, 9.9, 13.9, 15.8, 16.6, 18.0),
}
ABLATION_SINGLE: Final = {
    "none": 7.95,
    "passes 2 and 4": 7.12,
    "passes 1 and 3": 6.45,
    "all": 4.60,
}
# Fig. 11 (v1: Fig. 10), same setting: with and without topology-aware batching.
BATCHING: Final = {
    "throughput": (5.2, 7.0, 12.9, 16.9, 19.7, 20.8, 21.9),
    "topology": (4.6, 5.7, 9.9, 13.9, 15.8, 16.6, 18.0),
}
# Fig. 12 (v1: Fig. 11), Ayo at 1 to 4 requests/s: percent of the latency.
SHARES: Final = {
    "graph": (2.9, 1.9, 1.9, 1.8),
    "communication": (6.9, 4.5, 3.3, 3.1),
    "queueing": (2.0, 28.6, 42.1, 44.0),
    "execution": (88.2, 64.9, 52.6, 51.1),
}
# Table 3, llama-2-7B: partial, full, single prefill (tokens); ms of each.
TABLE_3: Final = (
    (200, 800, 76.03, 215.89, 260.36),
    (850, 850, 217.67, 222.66, 414.09),
    (2500, 500, 582.95, 159.65, 720.15),
)


@cache
def fig8() -> dict[Key, dict[float, float]]:
    """Mean latency (s) by request rate, of each curve."""
    curves: dict[Key, dict[float, float]] = {}
    with (HERE / "data" / "fig8.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scheme = "Ayo" if row["scheme"] == "Teola" else row["scheme"]
            key = APPS[row["app"]], row["dataset"], row["core_llm"], scheme
            curves.setdefault(key, {})[float(row["rate_req_s"])] = float(row["avg_latency_s"])
    return curves
