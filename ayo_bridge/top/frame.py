"""What all processes do at the moment, as tables; 80 columns hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ayo_bridge.top.sums import Process, Sums

NOBODY: Final = (
    "No process of yours shows itself. Start it with `ayo-bridge run --top`, or with AYO_TOP=1 in "
    "its environment; it is seen from its first accelerated object on."
)
_DASH: Final = "-"


def drawn(now: Sums, before: Sums | None = None, seconds: float = 0.0) -> RenderableType:
    """A frame. Rates are those since an earlier one, so many seconds ago."""
    if not now.processes:
        return Text(NOBODY)
    earlier = {process.pid: process for process in before.processes} if before else {}
    parts: list[RenderableType] = [_processes(now.processes, earlier, seconds)]
    for rows, columns in (
        (now.objects, _OBJECTS),
        (now.engines, _ENGINES),
        (now.servers, _SERVERS),
        (now.replicas, _REPLICAS),
    ):
        if rows:
            parts += ["", _table(rows, columns)]
    return Group(*parts)


def _processes(
    processes: Sequence[Process], earlier: dict[int, Process], seconds: float
) -> RenderableType:
    table = _headed("process", "program", "calls", "calls/s", "ahead", "found", "saved")
    for each in processes:
        if each.problem:
            table.add_row(str(each.pid), Text(each.problem, style="yellow"))
            continue
        table.add_row(
            str(each.pid),
            each.program,
            f"{each.count('calls'):,.0f}",
            _rate(each, earlier.get(each.pid), seconds),
            _percent(each.ahead_rate),
            _percent(each.hit_rate),
            f"{each.count('saved'):,.1f} s",
        )
    return table


def _rate(now: Process, before: Process | None, seconds: float) -> str:
    if before is None or before.problem or seconds <= 0:
        return _DASH
    return f"{max(now.count('calls') - before.count('calls'), 0) / seconds:,.1f}"


_Columns = Sequence[tuple[str, str]]
_OBJECTS: Final[_Columns] = (
    ("target", "class"),
    ("calls", "calls"),
    ("hits", "ahead, used"),
    ("direct", "own"),
    ("missed", "asked otherwise"),
    ("wasted", "in vain"),
    ("hit_rate", "found"),
)
_ENGINES: Final[_Columns] = (
    ("engine", "engine"),
    ("waiting", "waits"),
    ("running", "runs"),
    ("batches", "batches"),
    ("mean_batch", "mean batch"),
)
_SERVERS: Final[_Columns] = (
    ("server", "server"),
    ("own", "own"),
    ("awaited", "ahead, awaited"),
    ("ahead", "ahead"),
    ("held", "full"),
)
_REPLICAS: Final[_Columns] = (
    ("server", "replica"),
    ("model", "model"),
    ("requests", "requests"),
    ("up", "up"),
)


def _table(rows: Sequence[dict[str, Any]], columns: _Columns) -> Table:
    table = _headed(*(heading for _, heading in columns))
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name, _ in columns))
    return table


def _headed(first: str, *headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for heading in headings:
        words = heading in ("program", "model")
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    return table


def _cell(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or _DASH
    if name.endswith("_rate"):
        return _percent(float(str(value)))
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _percent(share: float | None) -> str:
    return _DASH if share is None else f"{share:.0%}"
