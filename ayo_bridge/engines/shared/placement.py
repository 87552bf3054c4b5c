"""Where a shared engine's batches run: in its process, or here wherever that is not to be had."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Final

from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.line import Line, Lost
from ayo_bridge.schedule.request import Abortable, Done, Elsewhere, Placement, Request
from ayo_bridge.schedule.waiting import Waiting
from ayo_bridge.seam import Call, Engine

_PENDING: Final = object()


class SharedPlacement(Elsewhere):
    """Sends each call on its own: calls of all processes are fused where they run.

    A call whose process has died is asked once more if another one is there by then, and made here
    otherwise; so is one that the process could not run, so that its error is the library's own.

    Args:
        line: to the process.
        local: where the engine runs here.
        wired: a call as it is sent; ``None``: it is made here.
        loop: the runtime's.
        patient: whether a call waits for a process that starts. Else it is made here.
    """

    def __init__(
        self,
        line: Line,
        local: Placement,
        wired: Callable[[Call], Header | None],
        loop: Callable[[], asyncio.AbstractEventLoop],
        *,
        patient: bool,
    ) -> None:
        self._line, self._local, self._wired, self._loop = line, local, wired, loop
        self._patient = patient
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether a call would be sent at once."""
        return self._line.ready

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Run a batch of whose calls nothing else is known."""
        places = [Waiting(0, 0, "", 1, 0.0) for _ in calls]
        self._start(engine, calls, places, 0.0, done, abortable)

    def start_requests(
        self,
        engine: Engine,
        requests: Sequence[Request],
        now: float,
        done: Done,
        abortable: Abortable,
    ) -> None:
        """Run a batch; the process learns what its policy asks for."""
        calls = [request.call for request in requests]
        places = [request.waiting for request in requests]
        self._start(engine, calls, places, now, done, abortable)

    def _start(
        self,
        engine: Engine,
        calls: Sequence[Call],
        places: Sequence[Waiting],
        now: float,
        done: Done,
        abortable: Abortable,
    ) -> None:
        if not self._line.ready:
            self._line.begin()
        usable = self._line.ready or (self._patient and not self._line.refused)
        frames = [self._wired(call) for call in calls] if usable else []
        if not frames or None in frames:
            self._local.start(engine, calls, done, abortable)
            return
        batch = _Batch(self, engine, calls, done)
        abortable(batch.abort)
        for number, (frame, waiting) in enumerate(zip(frames, places, strict=True)):
            assert frame is not None
            batch.ask(number, {**frame, **_said(waiting, now)})

    def send(self, frame: Header, answered: Callable[[object], object]) -> int:
        """Send a call; ``answered`` gets what came of it, on the loop."""
        return self._line.ask(frame, answered)

    def cancel(self, number: int) -> None:
        """Take a call back that was sent."""
        self._line.cancel(number)

    def send_when_found(self, frame: Header, answered: Callable[[object], object]) -> None:
        """Send a call to the next process, if one is there or is waited for; else it is lost."""

        async def ask() -> None:
            try:
                found = await self._line.found(patient=self._patient)
            except asyncio.CancelledError:  # The runtime is closed.
                answered(CancelledError())
                raise
            if found:
                self._line.ask(frame, answered)
            else:
                answered(Lost())

        def begin() -> None:
            task = loop.create_task(ask())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop = self._loop()
        loop.call_soon_threadsafe(begin)

    def here(self, engine: Engine, call: Call, done: Done) -> None:
        """Make a call here."""
        self._local.start(engine, [call], done, lambda abort: None)


def _said(waiting: Waiting, now: float) -> Header:
    """What a policy knows of a request; ages instead of times of this process's clock."""
    return {
        "query": str(waiting.query),
        "node": waiting.node,
        "depth": waiting.depth,
        "priority": waiting.priority,
        "serves": waiting.serves,
        "age": max(0.0, now - waiting.since),
        "remaining": waiting.remaining,
        "left": waiting.left,
    }


class _Batch:
    """Calls of one batch; the last answer ends it. Answers and an abort come from any thread."""

    def __init__(
        self, place: SharedPlacement, engine: Engine, calls: Sequence[Call], done: Done
    ) -> None:
        self._place, self._engine, self._calls, self._done = place, engine, calls, done
        self._lock = threading.Lock()
        self._results: list[object] = [_PENDING] * len(calls)
        self._left = len(calls)
        self._numbers: list[int] = []
        self._aborted = False

    def ask(self, place: int, frame: Header) -> None:
        answered = partial(self._answered, place, frame, 1)
        try:
            if self._place.ready:
                self._numbers.append(self._place.send(frame, answered))
            else:
                self._place.send_when_found(frame, answered)
        except (TypeError, ValueError, RuntimeError):
            # Text that is no Unicode, say; or the runtime has just been closed.
            self._make_here(place)

    def abort(self) -> None:
        self._aborted = True
        for number in self._numbers:
            self._place.cancel(number)
        for place in range(len(self._calls)):
            self._take(place, CancelledError())

    def _answered(self, place: int, frame: Header, tries: int, result: object) -> None:
        if self._aborted or isinstance(result, CancelledError):
            self._take(place, CancelledError())
        elif isinstance(result, Lost) and tries == 1:
            self._place.send_when_found(frame, partial(self._answered, place, frame, 2))
        elif isinstance(result, Exception):
            self._make_here(place)
        else:
            self._take(place, result)

    def _make_here(self, place: int) -> None:
        call = self._calls[place]
        self._place.here(self._engine, call, lambda results: self._take(place, results[0]))

    def _take(self, place: int, result: object) -> None:
        with self._lock:
            if self._results[place] is not _PENDING:  # An answer and an abort: the first counts.
                return
            self._results[place] = result
            self._left -= 1
            ended = not self._left
        if ended:
            self._done(self._results)
