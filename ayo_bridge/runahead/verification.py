"""Verification: whether an accelerated call asked, took and answered what the original does.

Three things are compared, off the caller's path. Each result that was taken ahead has to have been
made for exactly the request for which the original took it. A search of a store in memory is made
anew. And the original, run once more on the replies of the accelerated call
(:mod:`ayo_bridge.runahead.verified`), has to ask the same, each as often, and to answer the same.
The last is done only where the first run has written nothing and changed nothing.
"""

from __future__ import annotations

import logging
import time
from contextvars import copy_context
from typing import Final

from ayo_bridge.events import Event, Facts
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.again import Again, Later, Unsaid, joined
from ayo_bridge.runahead.handed import handed_wrong
from ayo_bridge.runahead.kept import MOST_BYTES, Kept
from ayo_bridge.runahead.replayed import Difference, Replay, UnsureError, WroteError, replayed
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runahead.worker import Worker

APART: Final = 1.1
"""Seconds between two runs of an original that asks something else: one that puts the time into
its prompts asks something else again."""
_logger: Final = logging.getLogger("ayo_bridge.verify")
MOST: Final = 2
"""So many calls wait to be verified at most; what is more is dropped."""
verifier: Final = Worker("ayo-verify", MOST)


class Verification:
    """What is to be done for one call that was drawn."""

    def __init__(self, state: AcceleratedState, entry: str, kept: Kept) -> None:
        self._state = state
        self._entry = entry
        self._kept = kept
        self._again: Again | None = None
        self._context = copy_context()
        """That of the caller: what the original asks may depend on it."""
        self._said: object = None
        self._items: list[object] = []
        self._size = 0

    def by(self, again: Again) -> None:
        """Run the original once more, too."""
        self._again = again

    def alone(self, why: str) -> None:
        """The original is not run once more."""
        self._again = None
        self._state.checks.alone = why

    def writes(self, why: str) -> None:
        """The original is not run once more, as it would write, or call tools, twice."""
        self._again = None
        checks = self._state.checks
        checks.writes, checks.wrote = checks.writes + 1, why

    def answered(self, result: object) -> None:
        """What the accelerated call returns: looked at now, as its caller may change it."""
        if self._again is None:
            return
        self._said = self._again.said(result)
        if self._said is Unsaid.GOES_ON:
            self.alone("what it returns may go on")

    def passed(self, item: object) -> None:
        """What it streams passes by."""
        if self._again is None:
            return
        said = self._again.item(item)
        self._size += len(said) if isinstance(said, str) else len(repr(said))
        self._items.append(said)
        if self._size > MOST_BYTES:
            self._items.clear()
            self.alone(f"it streams more than {MOST_BYTES // 2**20} MiB")

    def ended(self, record: CallRecord) -> None:
        """The call is over: verify it if there is time for that."""
        self._state.note(record)
        if not record.whole:
            return
        if isinstance(self._said, Later):
            self._said = self._said.say()
        untouched = None if self._again is None else self._again.untouched
        if untouched is not None and (why := self._kept.wrote or untouched()):
            self.writes(why)
        if self._again is None and not self._kept.taken:
            return  # Nothing was taken: there is nothing that could be wrong.
        client = self._state.runtime.client
        if client.busy or not verifier.submit(self._verify):
            self._state.checks.dropped += 1

    def _verify(self) -> None:
        """In the background."""
        checks = self._state.checks
        wrong = handed_wrong(self._state.runtime, self._kept)
        if wrong is None and self._again is not None:
            if self._kept.doubt:
                self._unsure(self._kept.doubt)
                return
            try:
                wrong = self._run_again(self._again)
            except UnsureError as unsure:
                self._unsure(str(unsure))
                return
            except WroteError as wrote:
                self.writes(str(wrote))
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
        for state in self._kept.states:
            state.condemn(reason)
        sides = f"Accelerated: {wrong.accelerated}. Original: {wrong.original}"
        facts = Facts(
            entry=self._entry,
            reason=wrong.what,
            accelerated=wrong.accelerated,
            original=wrong.original,
        )
        sentence = f"{self._entry}: {wrong.what}; it is not accelerated any more. {sides}"
        self._state.tell(_logger, Event.MISMATCH, sentence, facts)

    def _run_again(self, again: Again) -> Difference | None:
        first = self._replayed(again)
        if first is None:
            return None
        time.sleep(APART)
        second = self._replayed(again)
        if second is None or second.asked != first.asked:
            raise UnsureError("the original itself does something else each time")
        if not again.unchanged():
            raise UnsureError("it may have been changed since")
        if first.ambiguous:
            raise UnsureError("equal requests were answered differently, in an unknown order")
        return first.difference

    def _replayed(self, again: Again) -> Replay | None:
        """What the original does otherwise; ``None``: nothing."""
        answer = (self._said, joined(self._items))
        context = self._context.copy()
        return context.run(replayed, self._state.runtime, self._kept, again.run, answer)


__all__ = ["APART", "Verification", "verifier"]
