"""Calls as Chrome trace events, for Perfetto, ``chrome://tracing`` or VizTracer's viewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ayo_bridge.observe.explain import call_json
from ayo_bridge.observe.lanes import pack
from ayo_bridge.observe.waits import end_of, waits
from ayo_bridge.observe.wording import duration
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall

Event = dict[str, object]


def chrome_trace(target: str, records: Sequence[CallRecord]) -> dict[str, object]:
    """One process a call of the accelerated object, one lane an engine.

    Calls of an engine that overlap lie in lanes of their own under it. Lane 0 shows when the
    original stood still. Times are microseconds from the start of the first call.
    """
    events: list[Event] = []
    for number, record in enumerate(records, start=1):
        title = f"{target}.{record.entry} #{number} ({duration(end_of(record) - record.started)})"
        events += _process(number, title, record, records[0].started)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _process(pid: int, title: str, record: CallRecord, zero: float) -> Iterator[Event]:
    yield _name("process_name", pid, 0, title)
    yield _name("thread_name", pid, 0, "original")
    for start, end in waits(record):
        yield _span(pid, 0, "waits", start - zero, end - start, {})
    tid = 1
    calls = list(record.calls)
    for engine in dict.fromkeys(call.engine for call in calls):
        ran = [(call, span) for call in calls if call.engine == engine and (span := _ran(call))]
        lanes = pack([span for _, span in ran])
        for lane in range(max(lanes, default=-1) + 1):
            yield _name(
                "thread_name", pid, tid + lane, engine if lane == 0 else f"{engine} ({lane + 1})"
            )
        for (call, (start, end)), lane in zip(ran, lanes, strict=True):
            args = call_json(record, call)
            yield _span(pid, tid + lane, call.primitive, start - zero, end - start, args)
        tid += max(lanes, default=-1) + 1


def _ran(call: EngineCall) -> tuple[float, float] | None:
    if call.started is None:
        return None
    return call.started, call.started if call.ended is None else call.ended


def _name(kind: str, pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}


def _span(
    pid: int, tid: int, name: str, start: float, seconds: float, args: dict[str, object]
) -> Event:
    return {
        "ph": "X",
        "name": name,
        "cat": str(args.get("outcome", "original")),
        "pid": pid,
        "tid": tid,
        "ts": round(start * 1e6, 3),
        "dur": round(seconds * 1e6, 3),
        "args": args,
    }
