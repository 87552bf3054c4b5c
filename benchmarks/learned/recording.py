"""Traces of applications, recorded over engines that take no time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from ayo_bridge import accelerate
from ayo_bridge.graph import Template
from ayo_bridge.learn.live.entry import followed, signature_of
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.trace import Kind, Trace, TracedCall
from ayo_bridge.runahead import AcceleratedState
from benchmarks.learned.app import Answer, App, Inputs, Program
from benchmarks.learned.engines import Engines, Latencies
from benchmarks.measure import fresh_runtime

Traces = dict[str, list[Trace]]
"""Those of each application, by its name."""
_FILE: Final = TypeAdapter(Traces)


def record(app: App, engines: Engines, count: int) -> list[Trace]:
    """Traces of the first ``count`` distinct queries of an application.

    Every query is asked through a plain function around the application, so that a framework's
    object is followed like a function. A query that cannot be traced is left out.
    """
    entry = _entry(app.build(engines))
    runtime = fresh_runtime()
    accelerate(entry, runtime=runtime)  # Has the boundaries of all engines told of.
    with asyncio.Runner() as runner:
        # Sync methods of frameworks that await take the thread's loop.
        asyncio.set_event_loop(runner.get_loop())
        try:
            found = [_trace(entry, app.inputs(number), runtime, runner) for number in range(count)]
        finally:
            asyncio.set_event_loop(None)
    return [trace for trace in found if trace is not None]


def _entry(program: Program) -> Any:
    """The application as a function of the texts of its inputs."""

    def ask(query: str, texts: Sequence[str], history: Sequence[str]) -> Any:
        return program.ask(program.target, Inputs(query, tuple(texts), tuple(history)))

    async def ask_on_loop(query: str, texts: Sequence[str], history: Sequence[str]) -> Answer:
        answer = program.ask(program.target, Inputs(query, tuple(texts), tuple(history)))
        assert not isinstance(answer, Answer)
        return await answer

    return ask_on_loop if inspect.iscoroutinefunction(program.ask) else ask


def _trace(entry: Any, inputs: Inputs, runtime: Any, runner: asyncio.Runner) -> Trace | None:
    """One call of the entry, which has learned nothing before it."""
    state = AcceleratedState("python", entry.__name__, runtime, Template(()), accelerate)
    learned = Learned(state, entry.__name__, signature_of(entry))
    given = inputs.query, list(inputs.texts), list(inputs.history)
    asked = followed(entry, learned)(*given)
    if inspect.isawaitable(asked):
        runner.run(_awaited(asked))
    return learned.traces[0] if learned.traces else None


async def _awaited(asked: Any) -> None:
    await asked


def timed(trace: Trace, latencies: Latencies) -> Trace:
    """The trace as if each call had taken its kind's latency, and nothing else any time."""
    taken = {
        Kind.LLM: latencies.llm,
        Kind.EMBEDDING: latencies.embedding,
        Kind.SEARCH: latencies.search,
    }

    def with_time(call: TracedCall) -> TracedCall:
        return replace(call, seconds=taken.get(call.kind, 0.0))

    return Trace(trace.inputs, tuple(map(with_time, trace.calls)))


def write(traces: Traces, file: Path) -> None:
    """Keep traces in a file, as JSON."""
    file.write_bytes(_FILE.dump_json(traces))


def read(file: Path) -> Traces:
    """What :func:`write` has kept."""
    return _FILE.validate_json(file.read_bytes())
