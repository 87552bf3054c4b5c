"""Runs questions with the original and with the accelerated object, and compares the two.

Both ask the same engines. Where an engine samples, equal requests are answered differently, and so
are the questions: then the original is run once more on the answers that the accelerated call got,
and has to ask and to say the same. What it draws anew in each run, such as ids, shows when it is
run once more on the same answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ayo_bridge.api import accelerate, stats
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.learn.live.lesson import ENOUGH
from ayo_bridge.learn.live.worker import worker
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.twice import Run
from ayo_bridge.runahead.handed import handed_wrong
from ayo_bridge.runahead.kept import LONGEST
from ayo_bridge.runahead.replayed import (
    Difference,
    Replay,
    UnsureError,
    WroteError,
    differing,
    replayed,
)
from ayo_bridge.runtime import Runtime
from ayo_bridge.verify.alike import alike, alike_but_for_drawn
from ayo_bridge.verify.arms import Arm, Arms, said_by
from ayo_bridge.verify.questions import Question
from ayo_bridge.verify.report import Compared, Outcome, Report
from ayo_bridge.verify.requests import unlike
from ayo_bridge.verify.target import Loaded, begin_anew, known

PATIENCE: Final = 10.0
"""Seconds for which what is learned is waited for."""
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and of how many."""


def verify(
    obj: object,
    questions: Sequence[Question],
    *,
    learn: int | None = None,
    runtime: Runtime | None = None,
    name: str = "",
    told: Progress = lambda what, done, of: None,
) -> Report:
    """Compare the answers, sources and requests of an object and of the same object accelerated.

    Each question is asked twice, of the same engines; what the object calls or writes beside is
    done twice, too. A conversation is begun anew for each question.

    Args:
        obj: what is not accelerated, or what :func:`~ayo_bridge.verify.load` has returned.
        learn: so many questions are asked of the accelerated object first, so that what is learned
            takes part; as many as learning needs by default.
        runtime: of the accelerated object; one of its own by default.
        name: of the target, for the report.
        told: is told how far it is.

    Raises:
        VerifyError: no adapter knows the object, or it does not take a question.
    """
    loaded = obj if isinstance(obj, Loaded) else known(obj, name or type(obj).__name__)
    for question in questions:
        loaded.given(question)
    ours = Runtime(verify=0.0) if runtime is None else runtime
    comparison = Comparison(loaded, accelerate(loaded.obj, runtime=ours), ours)
    try:
        first = questions[: ENOUGH if learn is None else learn]
        for done, question in enumerate(first):
            told("learning", done, len(first))
            comparison.ask(comparison.fast, question)
        wait_until_learned()
        compared = []
        for done, question in enumerate(questions):
            told("comparing", done, len(questions))
            compared.append(comparison.compare(question).compared)
        told("comparing", len(questions), len(questions))
        return Report(name or loaded.named, tuple(compared), stats(comparison.fast).hits)
    finally:
        comparison.close()
        if runtime is None:
            ours.close()


def wait_until_learned() -> None:
    """Wait for what is being learned, for :data:`PATIENCE` at most."""
    until = time.monotonic() + PATIENCE
    while not worker.is_idle() and time.monotonic() < until:
        time.sleep(0.01)


class Both(NamedTuple):
    """A question that was asked of both objects."""

    compared: Compared
    original: Arm
    fast: Arm

    @property
    def requests(self) -> int:
        """How many requests of the original were seen, and compared."""
        return self.original.asked.total()


class Comparison:
    """The two objects.

    Args:
        fast: the accelerated one, by ``runtime``.
        loop: on which what they return is awaited; one of its own by default.
    """

    def __init__(
        self, loaded: Loaded, fast: Any, runtime: Runtime, loop: asyncio.Runner | None = None
    ) -> None:
        self._loaded = loaded
        self._runtime = runtime
        self._shows: Shows = loaded.shows
        self._arm = Arms(self._shows, runtime, loop)
        self.original = loaded.obj
        self.fast = fast

    def close(self) -> None:
        """Nothing more is asked."""
        self._arm.close()

    def ask(self, obj: Any, question: Question) -> Arm:
        """One call, seen whole."""
        begin_anew(obj)
        return self._arm(*self._loaded.call(obj), self._loaded.given(question))

    def compare(self, question: Question) -> Both:
        """Ask both, and say what came of it."""
        original, fast = self.ask(self.original, question), self.ask(self.fast, question)
        return Both(self._compared(question, original, fast), original, fast)

    def _compared(self, question: Question, original: Arm, fast: Arm) -> Compared:
        same = Compared(_short(question, quoted=False), Outcome.SAME)
        wrong = handed_wrong(self._runtime, fast.kept)
        if wrong is not None:
            return _differs(same, wrong)
        if original.error or fast.error:
            return _raised(same, original.error, fast.error)
        if original.kept.doubt and not fast.kept.taken:
            return replace(same, outcome=Outcome.NOT_VERIFIED, what=original.kept.doubt)
        if alike(original.answer, fast.answer) and not any(self._unlike(original, fast)):
            return same
        return self._explained(same, question, original, fast)

    def _explained(self, same: Compared, question: Question, original: Arm, fast: Arm) -> Compared:
        """What lies behind an answer, or requests, that differ."""
        sampled = False
        for key, before, now in _answers(original, fast):
            left, right = said_by(before, self._shows), said_by(now, self._shows)
            if isinstance(now, Reply):
                sampled = sampled or left != right
            elif not alike(left, right):
                what = "an engine answered the same request differently"
                asked = fast.kept.texts.get(key, "a search")
                parts = differing(left, right)
                return _differs(
                    same, Difference(f"{what}: {asked}", *(_short(part) for part in parts[::-1]))
                )
        if not sampled:
            if not any(self._unlike(original, fast)) and self._draws(question, original, fast):
                return replace(same, outcome=Outcome.DRAWN)
            return _differs(same, self._difference(original, fast))
        try:
            found = self._run_again(question, fast)
        except (UnsureError, WroteError) as unsure:
            why = f"the engine samples, and {unsure}"
            return replace(same, outcome=Outcome.NOT_VERIFIED, what=why)
        if found is None or self._draws(question, replace(fast, answer=found.answer), fast):
            return replace(same, outcome=Outcome.BY_REQUEST)
        return _differs(same, found.difference)

    def _run_again(self, question: Question, on: Arm) -> Replay | None:
        """How the original, run once more on the replies of a call, differs from that."""
        assert on.answer is not None, "it has not raised"
        begin_anew(self.original)
        call, kind = self._loaded.call(self.original)
        run = Run(self._shows, call, kind, self._loaded.given(question))
        return replayed(self._runtime, on.kept, run, on.answer)

    def _draws(self, question: Question, original: Arm, fast: Arm) -> bool:
        """Whether answers differ in nothing but what the original draws anew in each run: run once
        more on the same replies, it says that otherwise, too."""
        if original.answer is None:
            return False
        try:
            found = self._run_again(question, original)
        except (UnsureError, WroteError):
            return False
        again = found.answer if found is not None else None
        return again is not None and alike_but_for_drawn(original.answer, again, fast.answer)

    def _unlike(self, original: Arm, fast: Arm) -> tuple[list[Hashable], list[Hashable]]:
        before, now = (
            Counter(self._loaded.key(key) for key in arm.asked.elements())
            for arm in (original, fast)
        )
        return unlike(before, now)

    def _difference(self, original: Arm, fast: Arm) -> Difference:
        less, more = self._unlike(original, fast)
        if more or less:
            return Difference(
                "the requests differ", self._texts(fast, more), self._texts(original, less)
            )
        left, right = differing(original.answer, fast.answer)
        return Difference("the answers differ", _short(right), _short(left))

    def _texts(self, side: Arm, keys: Iterable[Hashable]) -> str:
        known = {self._loaded.key(key): text for key, text in side.kept.texts.items()}
        texts = [known.get(key, "a request that is not shown") for key in keys]
        return "; ".join(texts[:2]) or "nothing else"


def _answers(original: Arm, fast: Arm) -> Iterator[tuple[Hashable, object, object]]:
    """The answers to requests that both made once."""
    for key, values in original.kept.answers.items():
        others = fast.kept.answers.get(key, [])
        if len(values) == len(others) == 1:
            yield key, values[0], others[0]


def _raised(same: Compared, original: str, fast: str) -> Compared:
    if original == fast:
        return replace(same, outcome=Outcome.NOT_VERIFIED, what=f"it raised {original}")
    sides = Difference("one of the two raised", fast or "it answered", original or "it answered")
    return _differs(same, sides)


def _differs(same: Compared, found: Difference) -> Compared:
    return replace(
        same,
        outcome=Outcome.DIFFERS,
        what=found.what,
        original=found.original,
        accelerated=found.accelerated,
    )


def _short(value: object, *, quoted: bool = True) -> str:
    text = repr(value) if quoted or not isinstance(value, str) else value
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


__all__ = ["Both", "Comparison", "Progress", "verify", "wait_until_learned"]
