"""What processes do, added up over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Row = dict[str, Any]
_ENGINE = ("waiting", "running", "batches", "calls")
_SERVER = ("own", "awaited", "ahead")


@dataclass(frozen=True, slots=True)
class Process:
    """What a process said of itself, or the ``problem`` with it. Rows are plain values."""

    pid: int
    program: str = ""
    objects: Sequence[Row] = ()
    """By class: the totals of its objects (:class:`~ayo_bridge.record.counters.Counters`)."""
    engines: Sequence[Row] = ()
    servers: Sequence[Row] = ()
    replicas: Sequence[Row] = ()
    problem: str = ""

    def count(self, *names: str) -> float:
        """The sum of some totals over all of its objects."""
        return float(sum(row[name] for row in self.objects for name in names))

    @property
    def hit_rate(self) -> float | None:
        """Of the engine calls that were planned ahead, the share found in time."""
        return _share(self.count("hits"), self.count("missed"))

    @property
    def ahead_rate(self) -> float | None:
        """Of all engine calls, the share made ahead."""
        return _share(self.count("hits"), self.count("missed", "direct"))

    def to_dict(self) -> Mapping[str, object]:
        """Everything, as plain values for JSON."""
        return {**asdict(self), "hit_rate": self.hit_rate, "ahead_rate": self.ahead_rate}


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows of all processes, one a class, engine, server and replica."""

    objects: Sequence[Row] = ()
    engines: Sequence[Row] = ()
    servers: Sequence[Row] = ()
    replicas: Sequence[Row] = ()
    processes: Sequence[Process] = field(default=())


def sums(processes: Sequence[Process]) -> Sums:
    """Add up what several processes say of the same things.

    Each process finds the limit of a server for itself, and sees of a replica what it sends there.
    """
    each = [process for process in processes if not process.problem]
    objects = _added([row for p in each for row in p.objects], ("target",))
    engines = _added([row for p in each for row in p.engines], ("engine", "kind"), _ENGINE)
    servers = _added([row for p in each for row in p.servers], ("server",), _SERVER)
    replicas = _added([row for p in each for row in p.replicas], ("model", "server"), ("requests",))
    for row in objects:
        row["hit_rate"] = _share(row["hits"], row["missed"])
        row["ahead_rate"] = _share(row["hits"], row["missed"] + row["direct"])
    for row in engines:
        row["mean_batch"] = row["calls"] / row["batches"] if row["batches"] else None
    return Sums(objects, engines, servers, replicas, tuple(processes))


def _added(rows: Iterable[Row], keys: tuple[str, ...], names: Sequence[str] = ()) -> list[Row]:
    """One row for each value of the keys. Of what cannot be added the first process's is kept."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        if key not in found:
            found[key] = dict(row)
            continue
        sum_of = found[key]
        for name in names or [name for name in row if name not in keys]:
            sum_of[name] += row[name]
        if "up" in row:
            sum_of["up"] = sum_of["up"] and row["up"]
        if "held" in row:
            sum_of["held"] = sum_of["held"] or row["held"]
    return [found[key] for key in sorted(found)]


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None
