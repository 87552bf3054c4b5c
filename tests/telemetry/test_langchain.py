"""A LangChain chain: its span, and its metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from prometheus_client import CollectorRegistry

from ayo_bridge import Runtime, accelerate
from tests.differential.langchain_parts import chat, close_clients
from tests.stub_openai import StubOpenAI


@pytest.fixture(autouse=True)
async def _clients() -> AsyncIterator[None]:
    yield
    await close_clients()


async def test_a_chain_is_a_span_under_the_programs_own_and_is_counted(
    stub: StubOpenAI,
    spans: Callable[[], list[Any]],
    provider: Any,
    runtime_of: Callable[..., Runtime],
) -> None:
    registry = CollectorRegistry()
    runtime = runtime_of(otel=True, metrics=registry)
    prompt = ChatPromptTemplate.from_messages([("human", "Say it in French: {text}")])
    chain = accelerate(prompt | chat(stub.base_url) | StrOutputParser(), runtime=runtime)
    with provider.get_tracer("web").start_as_current_span("POST /translate") as request:
        assert await chain.ainvoke({"text": "salt"})
    assert runtime.telemetry is not None
    assert runtime.telemetry.flush()
    call, *_ = [span for span in spans() if span.name == "ayo_bridge.ainvoke"]
    assert call.parent.span_id == request.get_span_context().span_id
    (child,) = [s for s in spans() if s.parent and s.parent.span_id == call.context.span_id]
    assert child.name == "chat stub"
    assert child.attributes["ayo_bridge.outcome"] == "direct"
    labels = {"entry": "RunnableSequence.ainvoke", "outcome": "ok"}
    assert registry.get_sample_value("ayo_bridge_calls_total", labels) == 1
