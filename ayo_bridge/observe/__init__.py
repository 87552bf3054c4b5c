"""In: records of finished calls. Out: explanations, totals, timelines and spans."""

from ayo_bridge.observe.explain import Explanation, explain_state
from ayo_bridge.observe.stats import PrimitiveStats, Stats, stats_state
from ayo_bridge.observe.timeline import timeline_state
from ayo_bridge.telemetry.spans import export_spans

__all__ = [
    "Explanation",
    "PrimitiveStats",
    "Stats",
    "explain_state",
    "export_spans",
    "stats_state",
    "timeline_state",
]
