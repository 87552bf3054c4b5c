"""A thread that asks an LLM for those who have none of their own to wait in.

What is awaited on the runtime's loop has nobody who could step an engine. One thread a model does,
for all of them, and takes turns with the threads that ask for themselves; it ends when nothing has
come for a while.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.engines.vllm_in_process.sharing import by_hand, in_turn, turns_of
from ayo_bridge.engines.vllm_in_process.turns import Caller
from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.seam import new_lock

IDLE_SECONDS: Final = 1.0
_logger: Final = logging.getLogger(__name__)
_numbers: Final = itertools.count()
_lock: Final = new_lock()
_drivers: Final[weakref.WeakKeyDictionary[Any, Driver]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Args:
        add: adds it to the engine under an id and returns how many sequences it has.
        told: hears of each output.
        failed: hears of what was raised instead.

    All are called on the driver's thread; none may block. What the last two raise is logged: it is
    no affair of the others'.
    """

    add: Callable[[str], int]
    told: Callable[[Any], object]
    failed: Callable[[BaseException], object]


class Driver:
    """Asks one ``LLMEngine``. Thread-safe."""

    def __init__(self, engine: Any) -> None:
        self._engine = weakref.ref(engine)
        self._turns = turns_of(engine)
        self._caller = Caller()
        self._changed = threading.Condition()
        self._new: list[tuple[str, Asked]] = []
        self._known: dict[str, Asked] = {}
        self._running = False

    def ask(self, asked: Asked) -> str:
        """Have a request made; returns its id. Never blocks."""
        name = f"ayo-bridge-{next(_numbers)}"
        with self._changed:
            self._new.append((name, asked))
            self._changed.notify()
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="ayo-bridge vllm", daemon=True).start()
        else:
            self._turns.nudge(self._caller)
        return name

    def abort(self, name: str) -> None:
        """Take a request back, or free its sequences before the next step. Never blocks."""
        with self._changed:
            self._new = [each for each in self._new if each[0] != name]
            known = self._known.pop(name, None)
        if known is not None:
            self._turns.abort(self._caller, [name])

    def _run(self) -> None:
        while (new := self._next()) is not None:
            engine = self._engine()
            try:
                in_turn(engine, self._caller, lambda new=new: self._serve(new))  # type: ignore[misc]
            except BaseException as error:
                self._fail(error)
            del engine, new

    def _next(self) -> list[tuple[str, Asked]] | None:
        """What is asked anew, as soon as something is; ``None`` at the end."""
        with self._changed:
            if not self._new:
                self._changed.wait(IDLE_SECONDS)
            new, self._new = self._new, []
            self._known.update(new)
            self._running = bool(new)
            return new or None

    def _serve(self, new: list[tuple[str, Asked]]) -> None:
        """Have all served that has been asked, and what comes meanwhile."""
        while True:
            if new:
                self._add(new)
            for output in self._turns.step(self._caller):
                self._tell(output)
            new = []
            if not self._turns.reserved:  # Else it comes to it when that one had its turn.
                with self._changed:
                    new, self._new = self._new, []
                    self._known.update(new)
            if not new and not self._caller.pending:
                return

    def _add(self, new: list[tuple[str, Asked]]) -> None:
        self._turns.own(self._caller)
        foreign, self._caller.alone = self._caller.alone, False
        for name, asked in new:
            try:
                if foreign:
                    raise EngineUnavailableError(
                        "requests that were enqueued at this LLM wait for its wait_for_completion()"
                    )
                with self._changed:
                    if name not in self._known:  # Taken back meanwhile.
                        continue
                with by_hand():
                    sequences = asked.add(name)
                self._turns.added(self._caller, name, sequences)
            except Exception as error:
                self._known.pop(name, None)
                _safely(asked.failed, error)
            else:
                if name not in self._known:  # Just now.
                    self._turns.abort(self._caller, [name])

    def _tell(self, output: Any) -> None:
        asked = self._known.get(output.request_id)
        if output.finished:
            self._known.pop(output.request_id, None)
        if asked is not None:
            _safely(asked.told, output)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            failed, self._known = self._known, {}
        for asked in failed.values():
            _safely(asked.failed, error)


def _safely(told: Callable[[Any], object], what: object) -> None:
    """Tell somebody, who may be gone: a loop that is closed takes nothing any more."""
    try:
        told(what)
    except Exception:
        _logger.exception("an answer of vLLM could not be handed over")


def driver_of(engine: Any) -> Driver:
    """The driver of an ``LLMEngine``; its thread starts with the first request."""
    with _lock:
        found = _drivers.get(engine)
        if found is None:
            found = _drivers[engine] = Driver(engine)
        return found


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drivers.clear)
