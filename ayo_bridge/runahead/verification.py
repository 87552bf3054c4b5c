"""Verification: whether an accelerated call asked, took and answered what the original does.

Two things are compared, off the caller's path. Each result that was taken ahead has to have been
made for exactly the request for which the original took it. And the original, run once more on the
replies of the accelerated call (:mod:`ayo_bridge.runahead.verified`), has to ask the same, each as
often, and to answer the same. The second is done only where nothing but engines is reached.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from ayo_bridge.engines.model_requests import ModelRequest
from ayo_bridge.engines.openai_http.request import LLMRequest, canonical_key
from ayo_bridge.engines.sentence_transformer import Model, identity_of
from ayo_bridge.events import Event, Facts
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.kept import LONGEST, Kept, Taken, shortened
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runahead.verified import AskedElsewiseError, ReplayScope
from ayo_bridge.runahead.worker import Worker
from ayo_bridge.seam import Call, entered

APART: Final = 1.1
"""Seconds between two runs of an original that asks something else: one that puts the time into
its prompts asks something else again."""
_logger: Final = logging.getLogger("ayo_bridge.verify")
MOST: Final = 2
"""So many calls wait to be verified at most; what is more is dropped."""
verifier: Final = Worker("ayo-verify", MOST)

Shown = Callable[[object], object]
"""What an answer says, as plain data that can be compared; ``None``: that is not known."""


class Difference(NamedTuple):
    """Both sides of a mismatch, shortened, without headers."""

    what: str
    accelerated: str
    original: str


class Verification:
    """What is to be done for one call that was drawn."""

    def __init__(self, state: AcceleratedState, entry: str, kept: Kept) -> None:
        self._state = state
        self._entry = entry
        self._kept = kept
        self._again: Callable[[], object] | None = None
        self._shown: Shown = lambda answer: None
        self._unchanged: Callable[[], bool] = lambda: False
        self._answer: object = None

    def by(self, again: Callable[[], object], shown: Shown, unchanged: Callable[[], bool]) -> None:
        """Run the original once more by ``again``, too, which shares no argument with its caller's.

        ``shown`` says what its answers are compared by, ``unchanged`` whether it still is what it
        was: somebody may have given it another prompt by then.
        """
        self._again, self._shown, self._unchanged = again, shown, unchanged

    def alone(self, why: str) -> None:
        """The original is not run once more."""
        self._state.checks.alone = why

    def answered(self, result: object) -> None:
        """What the accelerated call returns: looked at now, as its caller may change it."""
        if self._again is not None:
            self._answer = self._shown(result)
            if self._answer is None:  # A stream, of which nothing has been read yet.
                self._again = None
                self.alone("what it returns may go on")

    def ended(self, record: CallRecord) -> None:
        """The call is over: verify it if there is time for that."""
        self._state.note(record)
        if not record.whole:
            return
        if any(each is not record for each in record.family()):
            self._again, self._kept.doubt = None, "accelerated objects are called inside of it"
        if self._again is None:
            if not self._kept.taken:
                return  # Nothing was taken: there is nothing that could be wrong.
            checks = self._state.checks
            checks.alone = checks.alone or "what is learned may write, or call tools"
        client = self._state.runtime.client
        if client.busy or not verifier.submit(self._verify):
            self._state.checks.dropped += 1

    def _verify(self) -> None:
        """In the background."""
        checks = self._state.checks
        wrong = next(filter(None, map(self._made_for_another, self._kept.taken)), None)
        if wrong is None and self._again is not None:
            if self._kept.doubt:
                self._unsure(self._kept.doubt)
                return
            try:
                wrong = self._run_again(self._again)
            except _UnsureError as unsure:
                self._unsure(str(unsure))
                return
            checks.again += 1
        checks.verified += 1
        if wrong is not None:
            self._mismatch(wrong)

    def _unsure(self, why: str) -> None:
        self._state.checks.unsure += 1
        self._state.checks.doubt = why

    def _mismatch(self, wrong: Difference) -> None:
        self._state.checks.mismatched += 1
        reason = f"verify found that {wrong.what} ({self._entry})"
        self._state.condemn(reason)
        sides = f"Accelerated: {wrong.accelerated}. Original: {wrong.original}"
        facts = Facts(
            entry=self._entry,
            reason=wrong.what,
            accelerated=wrong.accelerated,
            original=wrong.original,
        )
        sentence = f"{self._entry}: {wrong.what}; it is not accelerated any more. {sides}"
        self._state.tell(_logger, Event.MISMATCH, sentence, facts)

    # What was taken ahead.

    def _made_for_another(self, taken: Taken) -> Difference | None:
        call = taken.call
        made_for = self._identity(call)
        if made_for is None or (call.key == taken.key == made_for):
            return None
        return Difference(
            "a result made for one request was handed over for another",
            _request(call),
            self._kept.texts.get(taken.key, "a request that differs from it"),
        )

    def _identity(self, call: Call) -> Hashable:
        """The key of what was sent, found from that; ``None`` where it has none of its own."""
        asked = call.payload
        if isinstance(asked, LLMRequest):
            return canonical_key(asked.url, asked.headers, asked.body, asked.way)
        engine = self._state.runtime.scheduler(call.engine).engine
        if isinstance(asked, ModelRequest) and isinstance(engine, Model):
            return identity_of(engine, asked)
        return None

    # The original.

    def _run_again(self, again: Callable[[], object]) -> Difference | None:
        first = self._replayed(again)
        if first is None:
            return None
        time.sleep(APART)
        second = self._replayed(again)
        if second is None or second.asked != first.asked:
            raise _UnsureError("the original itself does something else each time")
        if not self._unchanged():
            raise _UnsureError("it may have been changed since")
        if first.ambiguous:
            raise _UnsureError("equal requests were answered differently, in an unknown order")
        return first.difference

    def _replayed(self, again: Callable[[], object]) -> _Replayed | None:
        """What the original does otherwise; ``None``: nothing."""
        scope = ReplayScope(self._state.runtime, self._kept)
        answer, refused = None, False
        try:
            with entered(scope):
                answer = self._shown(again())
        except AskedElsewiseError:
            refused = True
        except Exception as error:
            if not scope.lacking:
                raise _UnsureError(f"run again, it raised {type(error).__name__}") from error
        finally:
            scope.close()
        if refused or scope.lacking:
            _, text = scope.lacking[0]
            what = "the original asks what was not asked"
            found = Difference(what, self._texts(scope.left), text)
            return _Replayed(found, tuple(k for k, _ in scope.lacking), scope.ambiguous)
        if scope.left:
            what = "more was asked than the original asks"
            found = Difference(what, self._texts(scope.left), "nothing of that")
            return _Replayed(found, tuple(scope.left), scope.ambiguous)
        if answer != self._answer:
            found = Difference("its answers differ", _short(self._answer), _short(answer))
            return _Replayed(found, (repr(answer),), scope.ambiguous)
        return None

    def _texts(self, keys: list[Hashable]) -> str:
        texts = [self._kept.texts.get(key, "a request that is not shown") for key in keys]
        return "; ".join(texts[:2]) or "nothing else"


class _Replayed(NamedTuple):
    difference: Difference
    asked: tuple[Hashable, ...]
    """By what two runs are compared."""
    ambiguous: bool


class _UnsureError(Exception):
    """It cannot be said whether there is a mismatch."""


def _request(call: Call) -> str:
    asked = call.payload
    if isinstance(asked, LLMRequest):
        return shortened(asked.fields())
    return _short(asked.inputs) if isinstance(asked, ModelRequest) else call.engine


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


__all__ = ["APART", "Verification"]
