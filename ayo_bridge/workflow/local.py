"""The runtime of an app that brings none: on the loop of whoever awaits its queries."""

from __future__ import annotations

import asyncio

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.profile import LiveProfiles, Profiles
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Policies, Request


class LocalRuntime(Runtime):
    """A runtime without a thread of its own: it runs on the loop of whoever awaits, by its time.

    On a :class:`~ayo_bridge.simulate.VirtualClockLoop` it simulates. It is told what engines cost;
    it neither measures nor learns.

    Args:
        profiles: what the engines cost.
        passes, policies, strict: as in :class:`Runtime`.
    """

    def __init__(
        self,
        *,
        profiles: Profiles | None = None,
        passes: tuple[Pass, ...] = PIPELINE,
        policies: Policies | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(
            policies=policies,
            passes=passes,
            strict=strict,
            measure=False,
            otel=False,
            metrics=False,
        )
        self.profiles = LiveProfiles(known=profiles)
        self.clock, self.templates = _no_time, False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it runs on."""
        if self._loop is None:
            raise AyoBridgeError("nothing has run yet: the loop is that of the first query")
        return self._loop

    def run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run here from now on. What has not ended elsewhere is forgotten."""
        self.close()
        self._loop, self.clock = loop, loop.time

    def observe(self, request: Request) -> None:
        """Learn nothing."""

    def after_fork(self) -> None:
        """In a forked child: start from nothing but what was told."""
        known = self.profiles.profiles()
        super().after_fork()
        self.profiles, self.clock = LiveProfiles(known=known), _no_time

    def close(self) -> None:
        """End the threads of batch engines, not the loop of somebody else. Idempotent."""
        super().close()
        self.clock = _no_time
        self._renew()


def _no_time() -> float:
    return 0.0
