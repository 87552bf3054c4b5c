"""Spans of every call, under the span in which it was made."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.response_synthesizers import ResponseMode
from opentelemetry.sdk.trace import SpanProcessor

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.engines.openai_http.reply import usage_of
from ayo_bridge.events import Event
from ayo_bridge.observe import export_spans
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineKind
from ayo_bridge.telemetry import telemetry as telemetry_module
from ayo_bridge.telemetry.telemetry import Telemetry
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.differential.llama_index import collect_garbage, settings
from tests.observe.states import call, record
from tests.stub_openai import StubOpenAI

Spans = Callable[[], list[Any]]


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with settings():
        yield
    collect_garbage()


@pytest.fixture
def engine(stub: StubOpenAI, request: pytest.FixtureRequest) -> Any:
    """An engine whose model is asked for summaries of notes, and for one of these."""
    env = Env(stub, request.getfixturevalue, streaming=False)
    source = parts.retriever(env, top_k=3)
    return parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, source=source)


def exported(runtime: Runtime) -> None:
    assert runtime.telemetry is not None
    assert runtime.telemetry.flush()


def named(spans: list[Any], name: str) -> Any:
    (found,) = [span for span in spans if span.name == name]
    return found


def inside(spans: list[Any], outer: Any) -> list[Any]:
    return [s for s in spans if s.parent is not None and s.parent.span_id == outer.context.span_id]


def test_a_query_is_a_span_under_the_programs_own_with_a_child_for_each_engine_call(
    engine: Any,
    stub: StubOpenAI,
    spans: Spans,
    provider: Any,
    runtime_of: Callable[..., Runtime],
) -> None:
    runtime = runtime_of(otel=True)
    fast = accelerate(engine, runtime=runtime)
    began = time.time_ns()
    with provider.get_tracer("web").start_as_current_span("GET /answer"):
        fast.query("What was written down in the north?")
    ended = time.time_ns()
    exported(runtime)
    found = spans()
    request, call = named(found, "GET /answer"), named(found, "ayo_bridge.query")
    assert call.parent.span_id == request.context.span_id
    assert call.attributes["ayo_bridge.target"] == "RetrieverQueryEngine"
    assert call.attributes["gen_ai.operation.name"] == "invoke_workflow"

    children, known = inside(found, call), explain(fast).record
    assert known is not None
    made = Counter(call.outcome.value for call in known.calls)
    assert Counter(span.attributes["ayo_bridge.outcome"] for span in children) == made
    chats = [span for span in children if span.name == "chat stub"]
    assert "hit" in {span.attributes["ayo_bridge.outcome"] for span in chats}
    assert len(chats) == len(stub.calls)
    for span in chats:
        assert span.attributes["gen_ai.operation.name"] == "chat"
        assert span.attributes["gen_ai.request.model"] == "stub"
        assert span.attributes["server.address"] == "127.0.0.1"
        assert span.attributes["gen_ai.usage.input_tokens"] > 0
        assert span.kind.name == "CLIENT"
        assert began <= call.start_time <= span.start_time < span.end_time <= call.end_time <= ended


async def test_each_of_two_queries_at_once_is_under_the_span_of_its_own_request(
    engine: Any,
    stub: StubOpenAI,
    spans: Spans,
    provider: Any,
    runtime_of: Callable[..., Runtime],
) -> None:
    runtime = runtime_of(otel=True)
    fast = accelerate(engine, runtime=runtime)

    async def asked(number: int) -> None:
        with provider.get_tracer("web").start_as_current_span(f"request {number}"):
            await fast.aquery(f"What of note {number}?")

    await asyncio.gather(asked(1), asked(2))
    exported(runtime)
    found = spans()
    for number in (1, 2):
        (call,) = inside(found, named(found, f"request {number}"))
        assert call.name == "ayo_bridge.aquery"
        chats = [span for span in inside(found, call) if span.name == "chat stub"]
        assert len(chats) == len(stub.calls) / 2 > 0


def test_a_call_inside_of_another_is_under_that_or_under_the_span_around_it(
    engine: Any, spans: Spans, provider: Any, runtime_of: Callable[..., Runtime]
) -> None:
    runtime = runtime_of(otel=True)
    fast = accelerate(engine, runtime=runtime)
    tracer = provider.get_tracer("program")

    def answered(question: str, step: bool) -> str:
        if not step:
            return str(fast.query(question))
        with tracer.start_as_current_span("step"):
            return str(fast.query(question))

    answer = accelerate(answered, runtime=runtime)
    for step in (False, True):
        with tracer.start_as_current_span(f"request {step}"):
            answer("What was counted?", step)
    exported(runtime)
    found = spans()
    (plain,) = inside(found, named(found, "request False"))
    assert plain.attributes["ayo_bridge.entry"].endswith("answered")
    (query,) = inside(found, plain)
    assert query.name == "ayo_bridge.query"
    assert [span.name for span in inside(found, named(found, "step"))] == ["ayo_bridge.query"]


def test_an_object_in_which_nothing_can_be_won_is_not_let_through_unseen(
    stub: StubOpenAI,
    spans: Spans,
    runtime_of: Callable[..., Runtime],
    request: pytest.FixtureRequest,
) -> None:
    runtime = runtime_of(otel=True)
    env = Env(stub, request.getfixturevalue, streaming=False)
    fast = accelerate(parts.retriever(env, top_k=2), runtime=runtime)
    for number in range(40):
        fast.retrieve(f"note {number}")
    exported(runtime)
    assert len([span for span in spans() if span.name == "ayo_bridge.retrieve"]) == 40


def test_an_exporter_that_fails_is_not_the_programs_concern(
    engine: Any,
    provider: Any,
    runtime_of: Callable[..., Runtime],
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(SpanProcessor):
        def on_end(self, span: Any) -> None:
            raise ConnectionError("the collector is down")

    provider.add_span_processor(Failing())
    runtime = runtime_of(otel=True)
    fast = accelerate(engine, runtime=runtime)
    assert str(fast.query("What was kept?"))
    assert str(fast.query("What was counted?"))
    exported(runtime)
    (said,) = [r for r in caplog.records if getattr(r, "event", "") == Event.NOT_EXPORTED]
    assert "the collector is down" in said.getMessage()


def test_without_it_there_is_nobody_to_tell(runtime_of: Callable[..., Runtime]) -> None:
    assert runtime_of().telemetry is None
    assert "ayo-telemetry" not in {thread.name for thread in threading.enumerate()}


def test_the_environment_asks_for_it_where_the_runtime_says_nothing(
    runtime_of: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_OTEL", "1")
    assert runtime_of().telemetry is not None
    assert runtime_of(otel=False).telemetry is None


def test_tokens_from_the_prefix_cache_have_the_name_of_the_conventions(
    spans: Spans, provider: Any
) -> None:
    said = b'{"usage": {"prompt_tokens": 90, "completion_tokens": 4, "total_tokens": 94, '
    said += b'"prompt_tokens_details": {"cached_tokens": 64}}}'
    made = call(engine="llm:Qwen/Qwen2.5-7B@gpu1:8000", usage=lambda: usage_of((), [said]))
    made.kind = EngineKind.LLM
    export_spans(record(made), provider.get_tracer("test"))
    child, _ = spans()
    assert child.name == "chat Qwen/Qwen2.5-7B"
    assert {name: child.attributes[name] for name in child.attributes if "usage" in name} == {
        "gen_ai.usage.input_tokens": 90,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 64,
    }
    assert (child.attributes["server.address"], child.attributes["server.port"]) == ("gpu1", 8000)


# Where spans go.


def of_one_call(runtime: Runtime) -> None:
    """End a call that was made outside of every span."""
    assert runtime.telemetry is not None
    ended: CallRecord = record()
    runtime.telemetry.follow("Engine", ended, None, lambda _: None)(ended)
    exported(runtime)


@pytest.fixture
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_provider")
def test_a_program_without_a_provider_is_told_once_what_to_do(
    runtime_of: Callable[..., Runtime], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(otel=True)
    of_one_call(runtime)
    of_one_call(runtime)
    (said,) = [r for r in caplog.records if getattr(r, "event", "") == Event.NOT_EXPORTED]
    assert "set_tracer_provider" in said.getMessage()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in said.getMessage()


@pytest.mark.usefixtures("no_provider")
def test_spans_go_to_the_endpoint_of_the_environment_where_the_program_has_no_provider(
    runtime_of: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import trace

    came: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("connection", "close")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        runtime = runtime_of(otel=True)
        of_one_call(runtime)
        runtime.close()
        server.shutdown()
        thread.join()
    ((path, body),) = came
    assert path == "/v1/traces"
    assert b"ayo_bridge.retrieve" in body
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


# The queue.


def test_what_is_left_is_exported_when_the_runtime_closes(
    spans: Spans, runtime_of: Callable[..., Runtime]
) -> None:
    runtime = runtime_of(otel=True)
    assert runtime.telemetry is not None
    for _ in range(200):
        ended = record()
        runtime.telemetry.follow("Engine", ended, None, lambda _: None)(ended)
    runtime.close()
    assert len(spans()) == 200
    assert "ayo-telemetry" not in {thread.name for thread in threading.enumerate()}


def test_more_ended_calls_than_the_queue_holds_are_dropped_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(telemetry_module, "MOST", 3)
    told, go_on, busy = Telemetry(), threading.Event(), threading.Event()

    class Slow:
        def count(self, target: str, ended: CallRecord) -> None:
            busy.set()
            go_on.wait(10)

        def close(self) -> None:
            pass

    told.count(Slow())  # type: ignore[arg-type]
    ended = record()
    end = told.follow("Engine", ended, None, lambda _: None)
    end(ended)
    assert busy.wait(10)
    for _ in range(5):
        end(ended)
    go_on.set()
    told.close()
    assert told.dropped == 2
    (said,) = [r for r in caplog.records if getattr(r, "event", "") == Event.NOT_EXPORTED]
    assert "more than 3 ended calls wait" in said.getMessage()
