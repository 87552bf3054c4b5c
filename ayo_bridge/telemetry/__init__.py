"""In: calls that have ended. Out: OpenTelemetry spans and Prometheus metrics, off their path."""

from ayo_bridge.telemetry.spans import export_spans
from ayo_bridge.telemetry.wanted import wanted_shown, wanted_telemetry

__all__ = ["export_spans", "wanted_shown", "wanted_telemetry"]
