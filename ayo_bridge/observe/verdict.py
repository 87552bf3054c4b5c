"""Whether it helped, in one line of wall time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ayo_bridge.observe.critical import Left, longest_left
from ayo_bridge.observe.expected import Expected, expected
from ayo_bridge.observe.waits import waits
from ayo_bridge.observe.wording import about, counted
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.learning import Learning
from ayo_bridge.seam import Outcome

"""Said of what was learned and is used."""
_LEAST: Final = 1.02
"""So many times as fast is worth being called won."""
_SHOWN: Final = 3
"""Names of parts in the line."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a verdict is made of."""

    records: Sequence[CallRecord]
    left_alone: Sequence[tuple[str, str]] = ()
    """Parts that run as they are, each with the reason."""
    learning: Learning = field(default_factory=Learning)
    off: str = ""
    """Why nothing runs ahead at the moment."""
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it helped. ``str()`` is one line."""

    line: str
    expected: Expected | None = None
    """What calls took and would have taken; ``None`` where nothing was made ahead."""
    left: Left | None = None
    """The longest thing left on the critical path of the last calls."""

    def __str__(self) -> str:
        return self.line

    def to_dict(self) -> dict[str, object]:
        """The same as plain data; times in seconds a call."""
        known, left = self.expected, self.left
        return {
            "line": self.line,
            "before": known.before if known else None,
            "after": known.after if known else None,
            "calls": known.calls if known else 0,
            "at_most": known.at_most if known else False,
            "longest_left": left.what if left else None,
            "longest_left_seconds": left.seconds if left else None,
        }


def verdict(seen: Seen) -> Verdict:
    """Judge by the calls that are remembered."""
    known = expected(seen.records)
    return Verdict(_line(seen, known), known, longest_left(seen.records))


def _line(seen: Seen, known: Expected | None) -> str:
    ended = [record for record in seen.records if record.whole and record.ended is not None]
    learning = _learning(seen.learning)
    if seen.off:
        won = f"; before that {_times(known)}" if known and known.ratio >= _LEAST else ""
        return f"switched off: {seen.off}; calls run as in the original{won}"
    if known is not None and known.ratio >= _LEAST:
        state = learning or ("learned" if seen.learning.in_use else "")
        return "; ".join(filter(None, [_times(known), state, _left_alone(seen.left_alone)]))
    if learning:
        return "; ".join(filter(None, [learning, _left_alone(seen.left_alone)]))
    if not ended:
        why = f"the last one failed ({seen.records[-1].error})" if seen.records else "make one"
        if not seen.records and (reason := _nothing_learned(seen.learning)):
            why = reason
        said = "no call has ended well yet" if seen.records else "no call has finished yet"
        return "; ".join(filter(None, [f"{said}: {why}", _left_alone(seen.left_alone)]))
    took = known.after if known else sum((r.ended or 0) - r.started for r in ended) / len(ended)
    over = counted(known.calls if known else len(ended), "call")
    if any(call.outcome is Outcome.WARM for record in ended for call in record.calls):
        why = "prompts were begun ahead, and what that won is not in the records"
        return f"about {about(took)} a call over {over}; {why}"
    if helped := next((record.helped for record in ended if record.helped), ""):
        why = f"{helped}, and what that won is not in the records"
        return f"about {about(took)} a call over {over}; {why}"
    why = _why_nothing(seen, ended, known)
    return f"nothing won: about {about(took)} a call, as in the original, over {over}; {why}"


def _times(known: Expected) -> str:
    most = " at most" if known.at_most else ""
    times = f"{known.ratio:.1f}" if known.ratio < 9.95 else f"{known.ratio:.0f}"
    return (
        f"about {about(known.before)} -> {about(known.after)} a call "
        f"({times}x{most}) over {counted(known.calls, 'call')}"
    )


def _learning(learning: Learning) -> str:
    """How far learning is; empty if nothing is being learned."""
    if not learning.needed:
        return ""
    return f"learning: {learning.seen} of {learning.needed} calls with different inputs seen"


def _nothing_learned(learning: Learning) -> str:
    """Why nothing is learned; empty if something is, or that is not how it is lifted."""
    if learning.in_use or learning.needed or not learning.lines:
        return ""
    return learning.lines[0]


def _left_alone(parts: Sequence[tuple[str, str]]) -> str:
    if not parts:
        return ""
    names = ", ".join(name for name, _ in parts[:_SHOWN])
    more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return f"{counted(len(parts), 'part')} left alone: {names}{more}"


def _why_nothing(seen: Seen, ended: Sequence[CallRecord], known: Expected | None) -> str:
    """The reason to give where nothing is won."""
    last = ended[-1]
    calls = list(last.calls)
    if known is not None:
        return "what was made ahead was not waited for in the original, or no faster"
    if none := [server for server, limit in seen.limits.items() if limit.startswith("at most 0 ")]:
        return f"nothing may be ahead at {none[0]}, as set"
    if reason := _nothing_learned(seen.learning):
        return reason
    if seen.learning.in_use:
        return "learned, and no call has used it yet"
    if seen.left_alone:
        return _left_alone(seen.left_alone)
    refused = [d.reason for d in last.decisions if d.pass_name == "run-ahead" and not d.applied]
    if refused:
        return refused[-1]
    if any(call.outcome in (Outcome.WASTED, Outcome.DROPPED) for call in calls):
        return "what was made ahead was not used"
    return _of_the_original(last)


def _of_the_original(record: CallRecord) -> str:
    """What there is about the original's calls that leaves nothing to win."""
    waited = [call.waited for call in record.calls if call.waited > 0]
    if not waited:
        return "no engine was waited for"
    if len(waited) == 1:
        return "it makes one engine call, and there is nothing to do beside it"
    if sum(end - start for start, end in waits(record)) < 0.7 * sum(waited):
        return "the original makes its engine calls side by side itself"
    return "what its engine calls ask is not known earlier"
