"""What is learned of traces in a program that runs: by whom it asks, and what its servers keep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ayo_bridge.learn.live.lesson import Lesson, learn
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.live.pipelining import stages_of
from ayo_bridge.learn.live.warmth import by_prefills
from ayo_bridge.learn.trace import Trace
from ayo_bridge.runahead.home import Home


def lesson_of(traces: Sequence[Trace], runtime: Home, owners: Owners) -> Lesson:
    """What calls have in common, and whether running ahead by it would win anything.

    ``owners`` are by whom they were made.
    """
    seconds = runtime.client.call_seconds
    grows = owners.grows(stages_of(runtime))
    warms = partial(by_prefills, runtime, owners, traces)
    return learn(traces, seconds, grows=grows, warms=warms)


__all__ = ["lesson_of"]
