"""A finished call as OpenTelemetry spans. Needs the OpenTelemetry API, when it is called.

Attributes have the names of the GenAI semantic conventions where these have one; ours begin with
``ayo_bridge.``. Seconds are seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ayo_bridge.record.counters import op_of
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer

NAME: Final = "ayo_bridge"
"""Of the tracer."""
Clock = Callable[[], float]
Attributes = dict[str, str | int | float | bool]
_OPERATIONS: Final = {EngineKind.LLM: "chat", EngineKind.EMBEDDING: "embeddings"}
"""``gen_ai.operation.name``. Of a prompt that is completed, not chatted, nothing is known here."""


def export_spans(
    record: CallRecord, tracer: Tracer | None = None, *, clock: Clock = time.perf_counter
) -> None:
    """Emit one span for the call and a child span for each engine call that ran.

    ``tracer`` defaults to the process's tracer ``ayo_bridge``. ``clock`` is the runtime's: its
    moments become wall-clock times by its distance from now.

    Raises:
        ImportError: the OpenTelemetry API is not installed.
    """
    from opentelemetry import trace

    write_spans(record, record.calls, tracer or trace.get_tracer(NAME), clock)


def write_spans(
    record: CallRecord,
    calls: Sequence[EngineCall],
    tracer: Tracer,
    clock: Clock,
    *,
    target: str = "",
    context: Context | None = None,
) -> SpanContext:
    """Emit the spans of a call and of these engine calls; returns what children of it refer to.

    ``context`` holds the span that it belongs under; ``None``: that which is current.
    """
    from opentelemetry import trace

    distance = time.time_ns() - int(clock() * 1e9)

    def nanoseconds(moment: float) -> int:
        return distance + int(moment * 1e9)

    end = record.until
    span = tracer.start_span(
        f"ayo_bridge.{record.entry}",
        context=context,
        start_time=nanoseconds(record.started),
        attributes=_of_call(record, target),
    )
    if record.error:
        span.set_status(trace.StatusCode.ERROR, record.error)
        span.set_attribute("error.type", _error_type(record.error))
    parent = trace.set_span_in_context(span, context)
    for call in calls if span.is_recording() else ():
        if call.started is None:
            continue
        child = tracer.start_span(
            _name(call),
            context=parent,
            kind=trace.SpanKind.CLIENT if _server(call.engine) else trace.SpanKind.INTERNAL,
            start_time=nanoseconds(call.started),
            attributes=_of_engine_call(record, call),
        )
        if call.error:
            child.set_status(trace.StatusCode.ERROR, call.error)
        # What was cancelled with the call may not have been heard of yet.
        child.end(nanoseconds(end if call.ended is None else call.ended))
    span.end(nanoseconds(end))
    return span.get_span_context()


def _of_call(record: CallRecord, target: str) -> Attributes:
    found: Attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "ayo_bridge.entry": record.entry,
        "ayo_bridge.template": record.template.name,
        "ayo_bridge.primitives": len(record.e_graph),
        "ayo_bridge.ran_ahead": record.ran_ahead,
        "ayo_bridge.predicted_gain": record.predicted_gain or 0.0,
        "ayo_bridge.measured_gain": record.measured_gain,
        "ayo_bridge.abandoned": record.abandoned,
    }
    if target:
        found["gen_ai.workflow.name"] = found["ayo_bridge.target"] = target
    return found


def _of_engine_call(record: CallRecord, call: EngineCall) -> Attributes:
    found: Attributes = {
        "ayo_bridge.primitive": call.primitive,
        "ayo_bridge.op": op_of(record, call).value,
        "ayo_bridge.engine": call.engine,
        "ayo_bridge.kind": call.kind.value,
        "ayo_bridge.outcome": call.outcome.value,
        "ayo_bridge.batch": call.batch,
        "ayo_bridge.items": call.items,
        "ayo_bridge.fused": call.fused,
        "ayo_bridge.queued": max(0.0, (call.started or call.queued) - call.queued),
        "ayo_bridge.waited": call.waited,
        "ayo_bridge.saved": call.saved,
    }
    if operation := _OPERATIONS.get(call.kind):
        found["gen_ai.operation.name"] = operation
        found["gen_ai.request.model"] = _model(call.engine)
    if server := _server(call.engine):
        host, _, port = server.rpartition(":")
        found["server.address"] = host or server
        if host and port.isdigit():
            found["server.port"] = int(port)
        if call.kind in _OPERATIONS:  # By the client that is used, whoever serves the model.
            found["gen_ai.provider.name"] = "openai"
    usage = call.counted
    for name, tokens in (
        ("gen_ai.usage.input_tokens", usage.prompt_tokens),
        ("gen_ai.usage.output_tokens", usage.completion_tokens),
        ("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens),
    ):
        if tokens:
            found[name] = tokens
    if call.error:
        found["error.type"] = _error_type(call.error)
    return found


def _name(call: EngineCall) -> str:
    if operation := _OPERATIONS.get(call.kind):
        return f"{operation} {_model(call.engine)}"
    return f"{call.kind.value} {call.primitive}"


def _model(engine: str) -> str:
    """The model in an engine's name: ``llm:MODEL@host:port``, ``embedding:MODEL``."""
    model = engine.rpartition("@")[0] or engine
    return model.partition(":")[2] or model


def _server(engine: str) -> str:
    """``host:port`` in an engine's name; empty for one of this process."""
    return engine.rpartition("@")[2] if "@" in engine else ""


def _error_type(error: str) -> str:
    """The class in the representation of an exception."""
    return error.partition("(")[0]
