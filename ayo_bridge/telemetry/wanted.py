"""What a runtime tells of its calls, by its arguments or the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ayo_bridge.errors import ArgumentError, MissingExtraWarning, announce

if TYPE_CHECKING:  # Nothing of it is imported where nobody is told.
    from ayo_bridge.telemetry.gauges import Watched
    from ayo_bridge.telemetry.shown import Seen, Shown
    from ayo_bridge.telemetry.spans import Clock
    from ayo_bridge.telemetry.telemetry import Telemetry

OTEL: Final = "AYO_OTEL"
METRICS: Final = "AYO_METRICS"
TOP: Final = "AYO_TOP"


def wanted_telemetry(
    otel: bool | None, metrics: object, clock: Clock, watched: Watched
) -> Telemetry | None:
    """Who is told of a runtime's calls; ``None``: nobody.

    Args:
        otel: whether spans are exported; ``None``: where ``AYO_OTEL=1`` is set.
        metrics: whether metrics are kept, or the registry that they go to; ``None``: where
            ``AYO_METRICS=1`` is set, in the process's default registry.
        clock, watched: of the runtime.

    Raises:
        ArgumentError: it is of a wrong kind, or the library that it needs is not installed. What
            only the environment asks for is warned of then: the program does not know of us.
    """
    traced = os.environ.get(OTEL) == "1" if otel is None else otel
    counted = os.environ.get(METRICS) == "1" if metrics is None else metrics is not False
    if not traced and not counted:
        return None
    from ayo_bridge.telemetry.telemetry import Telemetry

    telemetry = Telemetry()
    if traced:
        from ayo_bridge.telemetry.tracing import Tracing

        try:
            telemetry.trace(Tracing(clock, telemetry.flush))
        except ImportError as error:
            _lacking("otel", "OpenTelemetry", f"{OTEL}=1" if otel is None else "", error)
    if counted:
        from ayo_bridge.telemetry.metrics import Metrics

        registry = None if metrics is None or metrics is True else metrics
        try:
            telemetry.count(Metrics(registry, watched))
        except ImportError as error:
            by = f"{METRICS}=1" if metrics is None else ""
            _lacking("metrics", "prometheus_client", by, error)
    return telemetry if telemetry.wanted else None


def wanted_shown(runtime: Seen) -> Shown | None:
    """Who shows a runtime to ``ayo-bridge top``; ``None``: ``AYO_TOP=1`` is not set."""
    if os.environ.get(TOP) != "1":
        return None
    from ayo_bridge.telemetry.shown import shown_here

    return shown_here(runtime)


def _lacking(argument: str, library: str, by_environment: str, error: ImportError) -> None:
    """A library is not installed."""
    asked = by_environment or f"Runtime({argument}=...)"
    text = f"{asked} needs {library}, which is not installed: pip install 'ayo-bridge[{argument}]'"
    if not by_environment:
        raise ArgumentError(text) from error
    announce(text, MissingExtraWarning, stacklevel=4)
