"""A finished call as OpenTelemetry spans. Needs the OpenTelemetry API, when it is called."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ayo_bridge.observe.waits import end_of
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, Outcome

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def export_spans(
    record: CallRecord,
    tracer: Tracer | None = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Emit one span for the call and a child span for each engine call that ran.

    ``tracer`` defaults to the process's tracer ``ayo_bridge``. ``clock`` is the runtime's: its
    moments become wall-clock times by its distance from now.

    Raises:
        ImportError: the OpenTelemetry API is not installed.
    """
    from opentelemetry import trace

    tracer = tracer or trace.get_tracer("ayo_bridge")
    distance = time.time() - clock()

    def nanoseconds(moment: float) -> int:
        return int((moment + distance) * 1e9)

    span = tracer.start_span(
        f"ayo_bridge.{record.entry}",
        start_time=nanoseconds(record.started),
        attributes={
            "ayo_bridge.template": record.template.name,
            "ayo_bridge.primitives": len(record.e_graph),
            "ayo_bridge.predicted_gain": record.predicted_gain or 0.0,
            "ayo_bridge.measured_gain": record.measured_gain,
        },
    )
    if record.error:
        span.set_status(trace.StatusCode.ERROR, record.error)
    parent = trace.set_span_in_context(span)
    for call in list(record.calls):
        if call.started is None or call.ended is None:
            continue
        child = tracer.start_span(
            f"{call.kind.value} {call.primitive}",
            context=parent,
            start_time=nanoseconds(call.started),
            attributes=_attributes(call),
        )
        if call.error and call.outcome is not Outcome.DIRECT:
            child.set_status(trace.StatusCode.ERROR, call.error)
        child.end(nanoseconds(call.ended))
    span.end(nanoseconds(end_of(record)))


def _attributes(call: EngineCall) -> dict[str, str | int | float | bool]:
    return {
        "ayo_bridge.primitive": call.primitive,
        "ayo_bridge.engine": call.engine,
        "ayo_bridge.outcome": call.outcome.value,
        "ayo_bridge.batch": call.batch,
        "ayo_bridge.items": call.items,
        "ayo_bridge.fused": call.fused,
        "ayo_bridge.waited": call.waited,
        "gen_ai.usage.input_tokens": call.prompt_tokens,
        "gen_ai.usage.output_tokens": call.completion_tokens,
    }
