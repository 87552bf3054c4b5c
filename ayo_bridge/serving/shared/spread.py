"""One queue over several holders of the same engine: each batch goes to the one with the least.

The first holder is the process of the queue. What the others are, and how they are reached, is
their :class:`Replica`; that one has died costs its batch a second try, and no answer.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ayo_bridge.engines.shared.frames import FrameError, Frames, Header, packed
from ayo_bridge.engines.shared.line import outcome_of
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import EngineScheduler, FoundLater, Placement
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import BatchEngine, Call, Engine, Limits

_logger: Final = logging.getLogger(__name__)


class Replica(ABC):
    """A further holder of the engine."""

    @abstractmethod
    async def run(self, frames: bytes) -> bytes:
        """Run a batch: calls go in, their outcomes come back, a frame each.

        Raises:
            Lost: it has died.
        """

    @abstractmethod
    async def revive(self) -> bool:
        """Start it where it does not run; whether it takes batches now, or never will."""


@dataclass(eq=False, slots=True)
class _Holder:
    """Who holds the engine; without a ``replica``: this process."""

    replica: Replica | None = None
    up: bool = True
    running: int = 0


class SpreadEngine(BatchEngine):
    """An engine as the scheduler of all its holders sees it: with the instances of all of them.

    One that batches by itself keeps its limits: they bound what all holders have together.
    """

    def __init__(self, engine: BatchEngine, holders: Callable[[], int]) -> None:
        self.name, self.kind = engine.name, engine.kind
        self._engine, self._holders = engine, holders
        self._known = ((Limits(), 1), Limits())

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """Those of one holder, as often as there are holders now."""
        own, holders = self._engine.limits, self._holders()
        if own.continuous or holders == 1:
            return own
        if self._known[0] != (own, holders):
            self._known = (own, holders), replace(own, instances=own.instances * holders)
        return self._known[1]

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run a batch in this process."""
        return self._engine.run(calls)

    async def aclose(self) -> None:
        """End what the engine here has."""
        await self._engine.aclose()


class Spread:
    """A placement: the holder that runs the fewest batches takes the next one. Thread-safe.

    Args:
        local: where a batch runs in this process.
        replicas: the further holders.
        submit: runs a coroutine on a loop.
    """

    def __init__(
        self,
        local: Placement,
        replicas: Sequence[Replica],
        submit: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._local, self._submit = local, submit
        self._lock = threading.Lock()
        self._holders = [_Holder(), *(_Holder(replica, up=False) for replica in replicas)]
        self._sent: Callable[[Call], Header]

    def begin(self, sent: Callable[[Call], Header]) -> None:
        """Use the further holders as soon as they are ready; ``sent`` is a call as it is sent."""
        self._sent = sent
        for holder in self._holders:
            if holder.replica is not None:
                self._submit(self._revive(holder.replica, holder))

    @property
    def up(self) -> int:
        """How many holders take batches now."""
        return sum(holder.up for holder in self._holders)

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Run a batch at some holder; what runs elsewhere is not aborted."""
        self._start(engine, calls, done, abortable, None)

    def _start(
        self,
        engine: Engine,
        calls: Sequence[Call],
        done: Done,
        abortable: Abortable,
        lost_by: _Holder | None,
    ) -> None:
        with self._lock:
            able = [each for each in self._holders if each.up and each is not lost_by]
            holder = min(able, key=lambda each: each.running)
            holder.running += 1

        def ended(results: Sequence[object | BaseException]) -> None:
            with self._lock:
                holder.running -= 1
            done(results)

        replica = holder.replica
        if replica is None:
            self._local.start(engine, calls, ended, abortable)
            return
        try:
            sent = [packed({**self._sent(call), "id": n}) for n, call in enumerate(calls)]
        except (TypeError, ValueError) as error:
            ended([error] * len(calls))
            return

        async def run_there() -> None:
            try:
                results = _results(await replica.run(b"".join(sent)), len(calls))
            except Exception as error:  # Whatever it was: who asks is not to wait for ever.
                self._lost(holder, error)
                if lost_by is not None:
                    ended([error] * len(calls))
                    return
                with self._lock:
                    holder.running -= 1
                self._start(engine, calls, done, abortable, holder)
                return
            ended(results)

        self._submit(run_there())

    def _lost(self, holder: _Holder, error: Exception) -> None:
        with self._lock:
            was, holder.up = holder.up, False
        if was and holder.replica is not None:
            _logger.info("a replica is lost, its batches go to others: %s", error)
            self._submit(self._revive(holder.replica, holder))

    async def _revive(self, replica: Replica, holder: _Holder) -> None:
        holder.up = await replica.revive()
        _logger.info("%d of %d replicas run", self.up, len(self._holders))


def _results(frames: bytes, count: int) -> list[object | BaseException]:
    """What came of the calls of a batch, in order.

    Raises:
        FrameError: that is something else.
    """
    found = [outcome_of(header, body) for header, body in Frames().feed(frames)]
    if len(found) != count:
        raise FrameError(f"{len(found)} outcomes of {count} calls")
    return found


class SpreadRuntime(Runtime):
    """A runtime whose engine has further holders: what is registered runs at all of them."""

    def __init__(self, replicas: Sequence[Replica], **options: Any) -> None:
        super().__init__(**options)
        self.spread = Spread(FoundLater(self.placement), replicas, self.submit)

    def register(self, engine: Engine, placement: Placement | None = None) -> EngineScheduler:
        """Give an engine one scheduler for all holders."""
        if not isinstance(engine, BatchEngine):
            return super().register(engine, placement)
        return super().register(SpreadEngine(engine, lambda: self.spread.up), self.spread)
