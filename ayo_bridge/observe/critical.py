"""What the last calls stood still for longest, and what would shorten it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from ayo_bridge.observe.expected import Alone, helped, was_used
from ayo_bridge.observe.lanes import union
from ayo_bridge.observe.waits import wait_of, waits
from ayo_bridge.observe.wording import about
from ayo_bridge.record.counters import is_own
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind

_LAST: Final = 8
"""So many of the last calls are looked at."""
_SLOWED: Final = 1.5
"""So many times as long as alone is worth saying."""
_SHORTER: Final = {
    EngineKind.LLM: "a faster model, a shorter prompt or answer would shorten it",
    EngineKind.EMBEDDING: "a smaller embedding model, or a GPU, would shorten it",
    EngineKind.RERANKER: "a smaller reranker, fewer candidates or a GPU would shorten it",
    EngineKind.VECTOR_STORE: "an index, or a store nearer by, would shorten it",
    EngineKind.SEARCH_API: "only a faster service would shorten it",
}


@dataclass(frozen=True, slots=True)
class Left:
    """The longest thing left."""

    what: str
    seconds: float
    """Mean seconds of it in a call."""
    of: float
    """Mean seconds of a call."""
    shorter: str
    """What would shorten it."""

    def lines(self) -> tuple[str, str]:
        """The same in words."""
        share = f"{about(self.seconds)} of {about(self.of)}"
        return f"Longest left: {self.what}, {share} a call.", f"  {self.shorter}."


def longest_left(records: Sequence[CallRecord]) -> Left | None:
    """The longest of what the last calls waited for, or their own code; ``None`` without calls."""
    last = [record for record in records if record.whole and record.ended is not None][-_LAST:]
    if not last:
        return None
    first = next((i for i, record in enumerate(last) if helped(record)), 0)
    last = last[first:]  # Those before were traced, as the original makes them.
    took = fmean((record.ended or 0.0) - record.started for record in last)
    groups: dict[tuple[str, str], list[list[EngineCall]]] = defaultdict(list)
    for record in last:
        here: dict[tuple[str, str], list[EngineCall]] = defaultdict(list)
        for part in record.family():
            for call in part.own_calls:
                here[_name(part, call), call.engine].append(call)
        for group, calls in here.items():
            groups[group].append(calls)
    stood = {group: sum(map(_stood, together)) / len(last) for group, together in groups.items()}
    own = took - fmean(sum(end - start for start, end in waits(record)) for record in last)
    longest = max(stood, key=lambda group: stood[group], default=None)
    if longest is None or own > stood[longest]:
        return Left(
            "your own code and the framework's, between engine calls",
            max(own, 0.0),
            took,
            "No engine is waited for meanwhile, so running ahead cannot shorten it",
        )
    name, engine = longest
    what = f"{name}, on {engine}" if name else f"calls to {engine}"
    alone = Alone(call for record in records for call in record.calls)
    return Left(what, stood[longest], took, _advice(groups[longest], alone))


def _name(record: CallRecord, call: EngineCall) -> str:
    """The part of the program that a call belongs to; empty if that is not known."""
    graph = record.e_graph
    known = call.primitive in graph and graph[call.primitive].component != "opaque"
    if not known:
        return ""
    root = re.sub(r"\[[^]]*\]", "", graph[call.primitive].root)
    return root.removesuffix(".prefill").removesuffix(".llm")


def _stood(calls: Sequence[EngineCall]) -> float:
    covered = union(wait for call in calls if (wait := wait_of(call)))
    return sum(end - start for start, end in covered)


def _advice(together: Sequence[Sequence[EngineCall]], alone: Alone) -> str:
    calls = [call for each in together for call in each if call.waited > 0]
    kind = calls[0].kind if calls else EngineKind.LLM
    shorter = _SHORTER[kind]
    ahead = [call for call in calls if was_used(call)]
    slowed = median(map(alone.slowed, ahead)) if ahead else 1.0
    if slowed >= _SLOWED:
        return (
            f"Side by side each takes {slowed:.1f} times as long as alone: "
            "more slots on that server, a second one or a GPU would shorten it"
        )
    direct = [[call for call in each if is_own(call)] for each in together]
    if len(direct[-1]) > 1 and _one_by_one(direct[-1]):
        return (
            f"The original makes {len(direct[-1])} one after another, and what they ask is not "
            f"known earlier: {shorter}"
        )
    tokens = round(fmean(call.completion_tokens for call in calls)) if calls else 0
    said = f"Each writes about {tokens} tokens: " if kind is EngineKind.LLM and tokens else ""
    return said + shorter if said else shorter[:1].upper() + shorter[1:]


def _one_by_one(calls: Sequence[EngineCall]) -> bool:
    return _stood(calls) > 0.9 * sum(call.waited for call in calls)
