"""Totals over all calls of an accelerated object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from ayo_bridge.graph import Op
from ayo_bridge.observe.wording import columns, counted, duration, let_through
from ayo_bridge.runahead.state import AcceleratedState

_WHAT: Final = {
    Op.PREFILLING: "LLM",
    Op.FULL_PREFILLING: "LLM",
    Op.PARTIAL_PREFILLING: "prompt begun ahead",
    Op.SEARCHING: "search",
    Op.API_CALL: "API",
    Op.HOST: "own call",
    Op.EXPAND: "own call",
}


@dataclass(frozen=True, slots=True)
class PrimitiveStats:
    """All calls of one kind of primitive to one engine."""

    op: Op
    engine: str
    calls: int
    seconds: float
    """Seconds the engine worked."""
    waited: float
    """Seconds of them on the critical path: the original stood still."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals over all finished calls of one accelerated object; times in seconds.

    The original's engine calls are ``hits + direct + missed``: found computed ahead, never
    computed ahead, and computed ahead in vain. ``wasted`` results were never asked for,
    ``dropped`` ones failed; ``cancelled`` ones were on their way when the call itself was
    cancelled, raised, or was left by its reader. ``fused`` of the original's own calls went
    through the engine scheduler.
    """

    target: str
    calls: int
    hits: int
    direct: int
    missed: int
    wasted: int
    dropped: int
    cancelled: int
    warms: int
    fused: int
    mean_fused_batch: float
    """Mean size of the batches that held more than one call; 0 if there were none."""
    saved: float
    """Seconds of engine time for which the original did not have to wait."""
    waited: float
    """Seconds for which it did."""
    primitives: tuple[PrimitiveStats, ...]
    switched_off: str = ""
    on_trial: str = ""
    """Why it was switched off, while it is tried again."""
    unseen: int = 0
    """Of the calls, those that were let through unseen, their engine calls uncounted: nothing was
    to be done in those before them."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """How much may be ahead at each server: by ``host:port``, in words."""
    verified: int = 0
    """Calls that were compared with the original."""
    mismatched: int = 0
    """Of these, those that differed."""

    @property
    def hit_rate(self) -> float:
        """Of the original's engine calls that were planned ahead, the share found in time."""
        return _ratio(self.hits, self.hits + self.missed)

    @property
    def ahead_rate(self) -> float:
        """Share of all of the original's engine calls that were computed ahead."""
        return _ratio(self.hits, self.hits + self.direct + self.missed)

    @property
    def wasted_rate(self) -> float:
        """Share of the results computed ahead that were never used or failed."""
        vain = self.wasted + self.dropped
        return _ratio(vain, self.hits + vain)

    def to_dict(self) -> Mapping[str, object]:
        """Everything, rates included, as plain values for JSON."""
        rates = {
            "hit_rate": self.hit_rate,
            "ahead_rate": self.ahead_rate,
            "wasted_rate": self.wasted_rate,
        }
        return {**asdict(self), **rates}

    def __str__(self) -> str:
        original = self.hits + self.direct + self.missed
        lines = [
            f"{self.target}: {counted(self.calls, 'call')}, "
            f"which needed {counted(original, 'result')} of engines",
            *columns([row for row in self._rows() if row is not None], right="lr"),
        ]
        if self.primitives:
            head = ("what", "engine", "calls", "worked", "waited for")
            rows = [
                (
                    _WHAT.get(p.op, p.op.value.replace("_", " ")),
                    p.engine,
                    str(p.calls),
                    duration(p.seconds),
                    duration(p.waited),
                )
                for p in self.primitives
            ]
            lines += ["", *columns([head, *rows], right="llrrr")]
        if self.verified:
            lines += ["", f"{counted(self.verified, 'call')} verified, {self.mismatched} differed."]
        if self.unseen:
            lines += ["", f"{let_through(self.unseen)}."]
        if self.limits:
            lines += ["", *(f"{server}: {limit}." for server, limit in self.limits.items())]
        if self.switched_off:
            lines += ["", f"Run-ahead is switched off: {self.switched_off}."]
        if self.on_trial:
            lines += ["", f"Run-ahead was switched off: {self.on_trial}."]
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, str, str] | None]:
        """What there was, in words; of what went wrong only what did."""
        batch = f", {self.mean_fused_batch:.1f} on average" if self.mean_fused_batch else ""
        vain = f"{self.wasted_rate:.1%} of the work ahead was in vain"
        more = [
            ("asked otherwise", self.missed, "own calls; what was ahead did not fit"),
            ("ahead, never used", self.wasted, vain),
            ("failed ahead", self.dropped, "the original made its own call"),
            ("ahead, stopped", self.cancelled, "its call was cancelled, failed or was left"),
            (
                "prompts begun ahead",
                self.warms,
                "so that the server has read what is known of them",
            ),
            ("in shared batches", self.fused, f"own calls, run with others{batch}"),
        ]
        return [
            (
                "made ahead",
                str(self.hits),
                f"there or on its way when asked for: {self.ahead_rate:.1%}",
            ),
            ("made when asked", str(self.direct), "the original's own calls, nothing was ahead"),
            *((name, str(number), says) if number else None for name, number, says in more),
            ("saved", duration(self.saved), "engine time not waited for; side by side it adds up"),
            ("waited", duration(self.waited), "engine time waited for"),
        ]


def stats_state(state: AcceleratedState) -> Stats:
    """Sum up the calls of an accelerated object so far."""
    totals = state.totals()
    return Stats(
        target=state.target,
        calls=totals.calls,
        hits=totals.hits,
        direct=totals.direct,
        missed=totals.missed,
        wasted=totals.wasted,
        dropped=totals.dropped,
        cancelled=totals.cancelled,
        warms=totals.warms,
        fused=totals.fused,
        mean_fused_batch=_ratio(totals.batch_sizes, totals.batched),
        saved=totals.saved,
        waited=totals.waited,
        primitives=tuple(
            PrimitiveStats(row.op, row.engine, row.calls, row.seconds, row.waited)
            for row in totals.primitives.values()
        ),
        switched_off=state.switched_off,
        on_trial=state.on_trial,
        unseen=state.rest.unseen,
        limits=state.limits(),
        verified=state.checks.verified,
        mismatched=state.checks.mismatched,
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
