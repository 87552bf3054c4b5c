"""The environment variables by which an unchanged program is accelerated. Imports next to nothing.

They are inherited by child processes, and so are the settings.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SWITCH: Final = "AYO_BRIDGE"
"""``1``: accelerate what frameworks offer. ``0``: do nothing, whatever the program says."""
EXPLAIN: Final = "AYO_EXPLAIN"
"""``1``: say at exit, on stderr, what was done."""
STATS: Final = "AYO_STATS"
"""``1``: write counters at exit, on stderr."""
TIMELINE: Final = "AYO_TIMELINE"
"""The file, ``.html`` or ``.json``, that gets the last calls at exit."""
LEARN: Final = "AYO_LEARN"
"""``0``: learn nothing from calls of frameworks' objects."""
VERIFY: Final = "AYO_VERIFY"
"""The share of calls that are compared with the original."""
LOG: Final = "AYO_LOG"
"""The level from which ayo-bridge logs to stderr."""
FIRST: Final = "AYO_BRIDGE_PID"
"""The process that the user has started: files that are written at exit are its own."""
OTEL: Final = "AYO_OTEL"
"""``1``: export OpenTelemetry spans of every call."""
METRICS: Final = "AYO_METRICS"
"""``1``: keep Prometheus metrics in the process's default registry."""
TOP: Final = "AYO_TOP"
"""``1``: processes answer ``ayo-bridge top``."""
METRICS_PORT: Final = "AYO_METRICS_PORT"
"""Where to serve them, as ``[HOST:]PORT``; this machine only where no host is named."""


def wanted() -> bool:
    """Whether programs are to be accelerated that do not know of it."""
    return os.environ.get(SWITCH) == "1"


def switched_off() -> bool:
    """Whether the kill switch is set: then ``accelerate`` returns what it is given."""
    return os.environ.get(SWITCH) == "0"


def variables(
    *,
    explain: bool = False,
    stats: bool = False,
    timeline: str | None = None,
    learn: bool = True,
    log: str | None = None,
    verify: str | None = None,
    otel: bool = False,
    top: bool = False,
    metrics_port: str | None = None,
) -> dict[str, str]:
    """What ``ayo-bridge run`` was told, as variables.

    ``timeline`` is made absolute, since the program may go elsewhere.
    """
    flags = {EXPLAIN: explain, STATS: stats, OTEL: otel, TOP: top}
    flags[METRICS] = metrics_port is not None
    told = {name: "1" for name, on in flags.items() if on}
    if not learn:
        told[LEARN] = "0"
    if timeline is not None:
        told[TIMELINE] = os.path.abspath(timeline)
    if log is not None:
        told[LOG] = log.upper()
    if verify is not None:
        told[VERIFY] = verify
    if metrics_port is not None:
        told[METRICS_PORT] = metrics_port
    return told
