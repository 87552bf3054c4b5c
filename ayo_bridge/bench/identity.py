"""Whether all arms have asked and answered the same."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ayo_bridge.bench.asking import Timed
from ayo_bridge.bench.rounds import Round, pairs
from ayo_bridge.bench.sessions import Session
from ayo_bridge.observe.wording import counted
from ayo_bridge.runahead.again import Answer
from ayo_bridge.runahead.kept import LONGEST
from ayo_bridge.runahead.replayed import differing
from ayo_bridge.verify.alike import alike
from ayo_bridge.verify.report import Compared, Outcome
from ayo_bridge.verify.report import Report as Verified


@dataclass(frozen=True, slots=True)
class Checked:
    """A question that was asked of both under watch, and how many requests were compared.

    ``raised`` is what the original and the accelerated object raised; empty: it answered.
    """

    compared: Compared
    requests: int
    raised: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Identity:
    """What came of comparing.

    Args:
        checked: the questions that were compared under watch, with their requests.
        compared: pairs of timed calls whose answers were compared.
        varied: pairs that cannot be: the engine, or the original itself, answers the same question
            differently, or raises, from time to time.
        differences: both sides of what is not the same.
    """

    checked: tuple[Checked, ...] = ()
    compared: int = 0
    varied: int = 0
    differences: tuple[Compared, ...] = ()

    @classmethod
    def of(
        cls,
        checked: Sequence[Checked],
        rounds: Sequence[Round],
        arms: Sequence[str],
        sessions: Sequence[Session],
    ) -> Identity:
        """Compare the timed answers of the first arm with those of each other."""
        found = _Timed(rounds, arms[0], sessions, checked)
        for load in dict.fromkeys(each.load for each in rounds):
            one, *others = (
                [each for each in rounds if each.load == load and each.arm == arm] for arm in arms
            )
            for arm, other in zip(arms[1:], others, strict=True):
                found.told = load if arm == arms[1] else f"{arm}, {load}"
                for matched in pairs(one, other):
                    for original, fast in matched:
                        found.take(original, fast, arm)
        checked = [found.judged(each, arms[1]) for each in checked]
        differences = [
            each.compared for each in checked if each.compared.outcome is Outcome.DIFFERS
        ]
        differences += found.differences.values()
        return cls(tuple(checked), found.compared, found.varied, tuple(differences))

    @property
    def requests(self) -> int:
        """Requests of the original that were compared with those of the accelerated object."""
        return sum(each.requests for each in self.checked)

    @property
    def line(self) -> str:
        """``20 of 20 calls the same, 80 requests compared; 240 timed answers the same``."""
        if not (self.checked or self.compared or self.varied or self.differences):
            return "nothing was compared"
        said = []
        if self.checked:
            verified = Verified("", tuple(each.compared for each in self.checked))
            requests = f"{self.requests} requests compared" if self.requests else "requests unseen"
            said.append(f"{verified.verdict}, {requests}")
        seen = [each.compared for each in self.checked]
        unlike = len({each.question for each in self.differences if each not in seen})
        timed = self.compared + self.varied
        if unlike:
            said.append(f"timed answers to {counted(unlike, 'question')} DIFFER")
        elif self.varied:
            said.append(f"{self.varied} of {timed} timed answers vary by themselves")
        elif timed:
            said.append(f"{counted(timed, 'timed answer')} the same")
        return "; ".join(said)


def _sampled(checked: Sequence[Checked]) -> bool:
    """Whether an engine has answered equal requests differently, or the original draws anew."""
    drawn = (Outcome.BY_REQUEST, Outcome.DRAWN)
    return any(each.compared.outcome in drawn for each in checked)


class _Timed:
    """Compares timed calls."""

    def __init__(
        self,
        rounds: Sequence[Round],
        original: str,
        sessions: Sequence[Session],
        checked: Sequence[Checked],
    ) -> None:
        self._sessions = sessions
        self._sampled = _sampled(checked)
        self._raises = _Raises(rounds, original, checked)
        self._answers: dict[tuple[int, int], list[Answer | None]] = defaultdict(list)
        self._errors: dict[tuple[int, int], set[str]] = defaultdict(set)
        for each in rounds:
            for call in each.calls if each.arm == original else ():
                key = (call.session, call.turn)
                if call.error:
                    self._errors[key].add(_kind(call.error))
                elif not any(alike(call.answer, known) for known in self._answers[key]):
                    self._answers[key].append(call.answer)
        self.compared = self.varied = 0
        self.told = ""
        """Which arm and load it is at, for people."""
        self.differences: dict[tuple[int, int, str], Compared] = {}

    def take(self, original: Timed, fast: Timed, arm: str) -> None:
        key = (original.session, original.turn)
        if fast.error:
            if self._raises.by_itself(fast.error, arm):
                self.varied += 1
            elif self._raises.at_times(fast.error):
                self._differs((*key, arm), "it raised more often", fast.error, "it did at times")
            elif _kind(fast.error) not in self._errors[key]:
                self._differs((*key, arm), "it raised", fast.error, "it never did")
            return
        if original.error:
            return
        if alike(original.answer, fast.answer):
            self.compared += 1
        elif self._sampled or len(self._answers[key]) > 1:
            self.varied += 1
        else:
            left, right = differing(original.answer, fast.answer)
            self._differs((*key, arm), "the answers differ", _short(right), _short(left))

    def judged(self, checked: Checked, arm: str) -> Checked:
        """What was compared under watch, where only one of the two raised as both do at times."""
        one, other = checked.raised
        if checked.compared.outcome is not Outcome.DIFFERS or bool(one) == bool(other):
            return checked
        if not self._raises.by_itself(one or other, arm):
            return checked
        what = f"it raises from time to time: {one or other}"
        compared = replace(
            checked.compared, outcome=Outcome.NOT_VERIFIED, what=what, original="", accelerated=""
        )
        return replace(checked, compared=compared)

    def _differs(
        self, key: tuple[int, int, str], what: str, accelerated: str, original: str
    ) -> None:
        session, turn, _ = key
        question = str(self._sessions[session][turn])
        found = Compared(question, Outcome.DIFFERS, f"{what} ({self.told})", original, accelerated)
        self.differences.setdefault(key, found)


class _Raises:
    """What the original raises from time to time: of a question that it has also answered.

    That an arm raises it, too, is no difference, unless it does so clearly more often.
    """

    def __init__(self, rounds: Sequence[Round], original: str, checked: Sequence[Checked]) -> None:
        self._original = original
        self._often: Counter[tuple[str, str]] = Counter()
        """By arm and kind."""
        outcomes: dict[tuple[int, int], set[str]] = defaultdict(set)
        for each in rounds:
            for call in each.calls:
                kind = _kind(call.error)
                self._often[each.arm, kind] += 1
                if each.arm == original:
                    outcomes[call.session, call.turn].add(kind)
        for number, one in enumerate(checked):
            outcomes[number, 0].add(_kind(one.raised[0]))
        self._kinds = set().union(*(each for each in outcomes.values() if "" in each)) - {""}

    def at_times(self, error: str) -> bool:
        """Whether the original raises this at times."""
        return _kind(error) in self._kinds

    def by_itself(self, error: str, arm: str) -> bool:
        """Whether an arm raises this no more often than the original, within two deviations."""
        kind = _kind(error)
        before, now = self._often[self._original, kind], self._often[arm, kind]
        return self.at_times(error) and now - before <= 2 * math.sqrt(now + before)


def _kind(error: str) -> str:
    return error.partition(":")[0]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


__all__ = ["Checked", "Identity"]
