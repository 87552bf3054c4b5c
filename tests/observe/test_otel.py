from typing import Any

import pytest

from ayo_bridge.observe import export_spans
from ayo_bridge.seam import Outcome
from tests.observe import samples
from tests.observe.states import call, record

pytest.importorskip("opentelemetry.sdk.trace")


@pytest.fixture
def exporter() -> Any:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: Any) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def test_one_span_a_call_with_a_child_for_each_engine_call(exporter: Any, tracer: Any) -> None:
    made = samples.fusion()
    export_spans(made, tracer, clock=lambda: made.ended or 0.0)
    *children, parent = exporter.get_finished_spans()
    assert parent.name == "ayo_bridge.query"
    assert len(children) == len(made.calls)
    assert {child.parent.span_id for child in children} == {parent.context.span_id}
    seconds = (made.ended or 0.0) - made.started
    assert (parent.end_time - parent.start_time) / 1e9 == pytest.approx(seconds, abs=1e-5)
    assert children[0].attributes["ayo_bridge.outcome"] == "direct"


def test_calls_that_never_ran_have_no_span_and_failures_are_errors(
    exporter: Any, tracer: Any
) -> None:
    never = call(Outcome.WASTED)
    never.started = never.ended = None
    export_spans(record(never, call(Outcome.DROPPED, error="TimeoutError()")), tracer)
    child, _ = exporter.get_finished_spans()
    assert child.status.description == "TimeoutError()"


def test_the_process_tracer_is_the_default() -> None:
    export_spans(record(call()))
