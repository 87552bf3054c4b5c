"""What a traced call has waited for: its engines, or its turn in a busy process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ayo_bridge.learn.trace import Trace
from ayo_bridge.runahead.client import Client

LEAST_SHARE: Final = 0.5
"""Of a core has to be used by this process while a call is traced, for it to count as busy."""


class Busy:
    """The processor time of the process while one call is traced.

    Where several calls share a busy process, their engine calls seem to take long: in truth they
    wait for each other, and nothing of that is won by running ahead.
    """

    def __init__(
        self,
        client: Client,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._client = client
        self._clock, self._cpu = clock, cpu
        self._shared = client.at_once > 1
        self._began = clock(), cpu()

    def less_waiting(self, trace: Trace) -> Trace:
        """The trace of the call, which has ended, with what its engines have taken at most."""
        began, used = self._began
        taken = self._clock() - began
        could = taken * self._client.granted
        share = min(1.0, (self._cpu() - used) / could) if could > 0 else 0.0
        if share < LEAST_SHARE or not (self._shared or self._client.at_once):
            return trace
        idle = 1.0 - share
        calls = tuple(replace(call, seconds=call.seconds * idle) for call in trace.calls)
        return replace(trace, calls=calls)
