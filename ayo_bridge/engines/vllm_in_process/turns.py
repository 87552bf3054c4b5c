"""Who may use an engine that is not thread-safe, and who gets what its steps bring.

An engine of vLLM takes requests, steps, and gives back what a step has finished; two threads at it
at once end the process. Here its callers take turns: one adds its requests while nobody steps, and
then all of them share the steps that any one of them makes. Whoever steps does so in its own
thread, as it would alone, until it has all that it asked for; the next that still waits goes on.
"""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from ayo_bridge.seam import new_lock


class Output(Protocol):
    """What a step says of a request."""

    request_id: str
    finished: bool


class Caller:
    """One call, or a thread that makes several. Its fields belong to :class:`Turns`.

    Args:
        alone: it shares the engine with nobody: steps are its own, and others wait for its end.
    """

    __slots__ = (
        "aborted",
        "alone",
        "error",
        "nudged",
        "outputs",
        "pending",
        "ready",
        "shared",
        "turn",
    )

    def __init__(self, *, alone: bool = False) -> None:
        self.alone = alone
        self.pending: dict[str, int] = {}
        """Its requests that it has not been given the end of, and the sequences of each."""
        self.outputs: list[Output] = []
        self.ready: list[Output] = []
        """What its requests are answered, in order, where that is known already."""
        self.error: BaseException | None = None
        self.aborted = False
        self.nudged = False
        self.shared = 0
        """How many sequences of all callers were in the engine with its own, as far as is seen."""
        self.turn = threading.Event()

    @property
    def sequences(self) -> int:
        """How many sequences it still waits for."""
        return sum(self.pending.values())


class Turns:
    """The turns at one engine. Thread-safe.

    Args:
        step: steps the engine.
        abort: aborts requests in it, by their ids.
        unfinished: how many requests it has; cheap.
    """

    def __init__(
        self,
        step: Callable[[], Iterable[Output]],
        abort: Callable[[list[str]], object],
        unfinished: Callable[[], int],
    ) -> None:
        self._step = step
        self._abort = abort
        self._unfinished = unfinished
        self._lock = new_lock()
        self._owner: Caller | None = None
        self._entering: deque[Caller] = deque()
        """Those that want the engine for themselves for a moment, in order."""
        self._reading: dict[Caller, None] = {}
        """Those that wait for outputs, the first to step when nobody does."""
        self._in_engine: dict[str, Caller] = {}
        self._together = 0
        """The sequences of the requests in it."""
        self._to_abort: list[str] = []

    @property
    def busy(self) -> bool:
        """Whether somebody uses the engine."""
        return self._owner is not None

    @property
    def reserved(self) -> bool:
        """Whether somebody waits to have the engine alone: nothing more is to be added before."""
        with self._lock:
            return bool(self._entering) and self._entering[0].alone

    @contextmanager
    def entered(self, caller: Caller) -> Iterator[None]:
        """A call, from before its first request to after its last output.

        What it leaves in the engine, as it was interrupted, is aborted.
        """
        self.own(caller)
        try:
            yield
        finally:
            self.leave(caller)

    def own(self, caller: Caller) -> None:
        """Have the engine for oneself until the next :meth:`step` or :meth:`leave`.

        Blocks for the step that is being made and for those that came before; a caller that is
        ``alone`` until nobody has requests in the engine.

        Raises:
            CancelledError: the caller has been aborted.
        """
        with self._lock:
            if self._owner is not caller:
                caller.turn.clear()
                self._reading.pop(caller, None)
                self._entering.append(caller)
                if self._owner is None:
                    self._pass_on()
        self._await_turn(caller)
        if caller.aborted:
            self._release(caller)
            raise CancelledError
        if not self._in_engine and self._unfinished():
            caller.alone = True  # Somebody has enqueued requests: the original's call ends them.

    def _await_turn(self, caller: Caller) -> None:
        try:
            while self._owner is not caller:
                caller.turn.wait()
                caller.turn.clear()
        except BaseException:  # Interrupted.
            with self._lock:
                if caller in self._entering:
                    self._entering.remove(caller)
            self._release(caller)
            raise

    def added(self, caller: Caller, request: str, sequences: int = 1) -> None:
        """The caller, whose turn it is, has added a request to the engine."""
        with self._lock:
            caller.pending[request] = sequences
            self._in_engine[request] = caller
            self._together += sequences
            caller.shared = max(caller.shared, self._together)

    def answer(self, caller: Caller, request: str, sequences: int) -> None:
        """A request of the caller need not be added to the engine: its output is ready."""
        output = caller.ready.pop(0)
        output.request_id = request
        with self._lock:
            caller.pending[request] = sequences
            caller.outputs.append(output)

    def step(self, caller: Caller) -> Sequence[Output]:
        """What has come for the caller since it asked last.

        Blocks until something has, or the caller is nudged; it may be nothing.

        Raises:
            CancelledError: the caller has been aborted.
            BaseException: what the engine has raised in the step, as it does for all who waited.
        """
        while True:
            self._abort_wanted(caller)
            with self._lock:
                self._reading.pop(caller, None)
                if self._has_come(caller):
                    return self._taken(caller)
                owner = self._owner
                if owner is None:
                    self._owner = owner = caller
                first = self._first() if owner is caller else None
                if owner is caller and self._to_abort:
                    continue  # Wanted just now.
                if owner is caller and first is None:
                    break
                caller.turn.clear()
                if owner is caller:  # Somebody is to add its requests first, and then steps.
                    self._reading = {caller: None, **self._reading}
                    self._pass_on()
                else:
                    self._reading[caller] = None
            caller.turn.wait()
        self._make_step(caller)
        with self._lock:
            done = caller.outputs and not any(
                self._in_engine.get(request) is caller for request in caller.pending
            )
        if done:  # The others need not wait until it has looked at what it got.
            self._release(caller)
        with self._lock:
            return self._taken(caller)

    def nudge(self, caller: Caller) -> None:
        """Have :meth:`step` return soon: there is something else to do."""
        with self._lock:
            caller.nudged = True
            caller.turn.set()

    def abort(self, caller: Caller, requests: Iterable[str] | None = None) -> None:
        """Free requests of a caller before the next step; by default all, and end its waiting.

        Never blocks for the engine: whoever has it does it, or else this thread.
        """
        janitor = Caller()
        with self._lock:
            if requests is None:
                caller.aborted = True
            names = list(caller.pending if requests is None else requests)
            self._to_abort += [name for name in names if self._out(name)]
            for name in names:
                caller.pending.pop(name, None)
            caller.turn.set()
            if self._owner is not None:
                return
            self._owner = janitor
        self._release(janitor)

    def leave(self, caller: Caller) -> None:
        """The caller asks for nothing more; its requests are aborted."""
        if any(self._in_engine.get(name) is caller for name in list(caller.pending)):
            self.abort(caller, list(caller.pending))
        with self._lock:
            caller.pending.clear()
            self._reading.pop(caller, None)
        self._release(caller)

    def release(self, caller: Caller) -> None:
        """Let others have the engine; the caller comes back with :meth:`own`."""
        self._release(caller)

    # Under a turn.

    def _make_step(self, caller: Caller) -> None:
        if not self._unfinished():  # Aborted by hand: a step would bring nothing, or never end.
            with self._lock:
                self._lose()
            return
        try:
            outputs = self._step()
        except Exception as error:
            with self._lock:
                for each in {*self._in_engine.values()}:
                    each.error = error
                    each.turn.set()
                self._in_engine.clear()
                self._together = 0
            return
        with self._lock:
            for output in outputs:
                known = self._in_engine.get(output.request_id)
                if known is None:  # Aborted meanwhile.
                    continue
                if output.finished:
                    self._out(output.request_id)
                known.outputs.append(output)
                if known is not caller:
                    known.turn.set()

    def _abort_wanted(self, caller: Caller) -> None:
        """Abort in the engine what is to be, if it is the caller's turn."""
        while self._to_abort and self._owner is caller:
            with self._lock:
                names, self._to_abort = self._to_abort, []
            self._abort(names)

    def _release(self, caller: Caller) -> None:
        while self._owner is caller:
            try:
                self._abort_wanted(caller)
            finally:
                with self._lock:
                    if not self._to_abort:
                        self._pass_on()

    # Under the lock.

    def _lose(self) -> None:
        """The engine has nothing any more: who waits gets what has come."""
        for request, caller in list(self._in_engine.items()):
            self._out(request)
            if all(request != output.request_id for output in caller.outputs):
                del caller.pending[request]
            caller.turn.set()

    def _out(self, request: str) -> bool:
        """The engine has a request no more, or is not to have it."""
        caller = self._in_engine.pop(request, None)
        if caller is not None:
            caller.shared = max(caller.shared, self._together)
            self._together -= caller.pending[request]
        return caller is not None

    @staticmethod
    def _has_come(caller: Caller) -> bool:
        ended = caller.aborted or caller.error is not None or not caller.pending
        return ended or caller.nudged or bool(caller.outputs)

    def _taken(self, caller: Caller) -> Sequence[Output]:
        caller.nudged = False
        if caller.aborted:
            raise CancelledError
        if caller.error is not None:
            error, caller.error, caller.outputs = caller.error, None, []
            caller.pending.clear()
            raise error
        outputs, caller.outputs = caller.outputs, []
        for output in outputs:
            if output.finished:
                caller.pending.pop(output.request_id, None)
        return outputs

    def _first(self) -> Caller | None:
        """Who is to have the engine next for itself; nobody while it may not."""
        if not self._entering or (self._entering[0].alone and self._in_engine):
            return None
        return self._entering[0]

    def _pass_on(self) -> None:
        owner = self._first()
        if owner is not None:
            self._entering.popleft()
        else:
            owner = next(iter(self._reading), None)
        self._owner = owner
        if owner is not None:
            owner.turn.set()
