"""All that came of a bench: the verdict first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ayo_bridge.bench.conditions import warning
from ayo_bridge.bench.documents import Corpus
from ayo_bridge.bench.figures import ArmFigures, LoadFigures, figures
from ayo_bridge.bench.identity import Identity
from ayo_bridge.bench.observed import Path, path
from ayo_bridge.bench.rounds import Round
from ayo_bridge.bench.statistics import Figure
from ayo_bridge.observe.wording import counted, let_through
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.kept import LONGEST

ONE_USER: Final = "1 user"
FEW: Final = 3
"""Turns below which an interval is too narrow."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was measured, and how."""

    target: str
    what: str
    """The object's class."""
    entry: str
    sessions: int
    questions: int
    warm_up: str
    """The name of the load before all others."""
    arms: Sequence[str]
    loads: Sequence[tuple[str, bool]]
    """By name, with whether sessions arrive."""
    rounds: Mapping[str, int]
    seed: int
    explained: str = ""
    """What ``explain`` says of the accelerated object, in a line."""
    interrupted: str = ""
    """What it was at when it was stopped; empty: it has ended."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    corpus: Corpus | None = None
    """What was ingested; ``None``: questions were asked."""


@dataclass(frozen=True, slots=True)
class Report:
    """A bench."""

    said: Said
    identity: Identity
    loads: tuple[LoadFigures, ...]
    warm_up: LoadFigures | None
    path: Path
    unanswered: tuple[str, ...] = ()
    """Why loads have no figures: of each arm, what its calls raised."""

    @classmethod
    def of(
        cls,
        said: Said,
        rounds: Sequence[Round],
        identity: Identity,
        alone: Sequence[CallRecord] = (),
    ) -> Report:
        """Make numbers of rounds. ``alone`` are records of calls made one by one."""

        def of_load(name: str, opened: bool) -> LoadFigures | None:
            return figures(name, rounds, said.arms, opened=opened, seed=said.seed)

        measured = [of_load(name, opened) for name, opened in said.loads]
        warm_up = of_load(said.warm_up, False)
        unanswered = [
            line
            for (name, _), found in zip(said.loads, measured, strict=True)
            if found is None
            for line in _raised(name, rounds, said.arms[:2])
        ]
        second = said.arms[1]
        one_by_one = [
            record
            for each in rounds
            if each.arm == second and each.load == ONE_USER
            for record in each.records
        ]
        return cls(
            said,
            identity,
            tuple(each for each in measured if each is not None),
            warm_up,
            path(one_by_one, alone),
            tuple(unanswered or _raised(said.warm_up, rounds, said.arms[:2], whole=True)),
        )

    @property
    def differs(self) -> bool:
        """Whether something was not the same."""
        return bool(self.identity.differences)

    @property
    def verdict(self) -> str:
        """``1.62x (1.55-1.70) at 1 user, 83 % of what the data dependencies allow; ...``."""
        if not self.loads:
            return "nothing was measured"
        said = []
        for each in self.loads:
            found = each.ratio.latency
            line = f"{_judged(found)} at {each.load}"
            if self.said.corpus is not None:
                line = f"{_judged(found)} for {counted(self.said.corpus.documents, 'document')}"
            if each.load == ONE_USER and self.path.bound is not None:
                line += f", {self.path.bound.share:.0%}".replace("%", " %")
                line += " of what the data dependencies allow"
            said.append(line)
        return "; ".join(said)

    @property
    def advice(self) -> list[str]:
        """What to change, and what to know about the figures."""
        said = []
        if self.path.left is not None:
            left = self.path.left
            said.append(f"Longest left: {left.what}. {left.shorter}.")
        unlike = [each.ratio.latency for each in self.loads if each.ratio.latency is not None]
        if self.said.explained and any(each.low is None or each.low <= 1.0 for each in unlike):
            said.append(f"What explain says: {self.said.explained}.")
        for each in self.loads:
            said += _about(each)
        said += self.unanswered
        said += [f"{each[0].upper()}{each[1:]}." for each in self._notes()]
        few = [each.load for each in self.loads if len(each.arms[0].seconds) < FEW]
        if few:
            said.append(
                f"Fewer than {FEW} turns at {', '.join(few)}: what differs from turn to turn is "
                "hardly in the intervals; --rounds 6 is safer."
            )
        if self.said.interrupted:
            said.append(f"It was interrupted ({self.said.interrupted}): the rest was not measured.")
        if busy := warning(self.said.conditions):
            said.append(f"{busy[0].upper()}{busy[1:]}.")
        return said

    def _notes(self) -> Sequence[str]:
        return () if self.said.corpus is None else self.said.corpus.notes

    def rates(self, arm: ArmFigures) -> tuple[float, float] | None:
        """Documents and chunks a second of an arm that ingests."""
        corpus = self.said.corpus
        if corpus is None or arm.throughput is None:
            return None
        runs = arm.throughput.value
        return runs * corpus.documents, runs * (corpus.chunks or 0)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; times in seconds."""
        bound = self.path.bound
        return {
            "verdict": self.verdict,
            "same": not self.differs,
            "identity": {"line": self.identity.line, **asdict(self.identity)},
            "advice": self.advice,
            "loads": [asdict(each) for each in self.loads],
            "warm_up": asdict(self.warm_up) if self.warm_up else None,
            "path": {**asdict(self.path), "share_of_bound": bound.share if bound else None},
            "ingestion": self._ingestion(),
            "measured": asdict(self.said),
        }

    def _ingestion(self) -> dict[str, Any] | None:
        if self.said.corpus is None:
            return None
        found: dict[str, Any] = {}
        for load in self.loads:
            for arm in load.arms:
                documents, chunks = self.rates(arm) or (None, None)
                found[arm.arm] = {
                    "documents_per_second": documents,
                    "chunks_per_second": chunks,
                    "bytes": None if arm.memory is None else arm.memory.value,
                }
        return {**asdict(self.said.corpus), "arms": found}


def times(figure: Figure) -> str:
    """``1.62x (1.55-1.70)``."""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}x"
    return f"{figure.value:.2f}x ({figure.low:.2f}-{figure.high:.2f})"


def _judged(found: Figure | None) -> str:
    if found is None:
        return "nothing answered by both"
    if found.low is not None and found.high is not None:
        if found.low <= 1.0 <= found.high:
            return f"no difference, {times(found)},"
        if found.high < 1.0:
            return f"SLOWER, {times(found)},"
    return times(found)


def _raised(
    load: str, rounds: Sequence[Round], arms: Sequence[str], *, whole: bool = False
) -> list[str]:
    """What the calls of a load without figures raised; ``whole``: of arms that answered none."""
    said = []
    for arm in arms:
        calls = [call for r in rounds if r.load == load and r.arm == arm for call in r.calls]
        errors = [call.error for call in calls if call.error]
        if errors and not (whole and len(errors) < len(calls)):
            first = errors[0] if len(errors[0]) <= LONGEST else f"{errors[0][:LONGEST]} ..."
            raised = f"{len(errors)} of {len(calls)} calls raised, the first {first}"
            said.append(f"{load}, {arm}: {raised.removesuffix('.')}.")
    return said


def _about(load: LoadFigures) -> list[str]:
    """What is worth knowing of a load."""
    said = []
    for each in load.arms:
        if each.errors:
            said.append(f"{load.load}, {each.arm}: {each.errors} of {each.calls} calls raised.")
    work = load.work
    if work.wasted_share > 0.05:
        share = f"{work.wasted_share:.0%}".replace("%", " %")
        said.append(f"{load.load}: {share} of the work ahead was in vain.")
    if work.unseen:
        said.append(f"{load.load}: {let_through(work.unseen)}; engines are shown without them.")
    return said


__all__ = ["ONE_USER", "Report", "Said", "times"]
