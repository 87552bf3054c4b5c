"""A program's own provider, with spans kept in memory; a stub; runtimes that are told to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Runtime
from ayo_bridge.profile import ProfileStore
from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


@pytest.fixture
def runtime_of(tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Makes runtimes, and closes them."""
    made: list[Runtime] = []

    def of(**options: Any) -> Runtime:
        made.append(Runtime(measure=False, profiles=ProfileStore(tmp_path), **options))
        return made[-1]

    yield of
    for runtime in made:
        runtime.close()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The provider that a program has set; a process can set only one."""
    from opentelemetry.sdk.trace import TracerProvider

    made = TracerProvider()
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", made)
    yield made
    made.shutdown()


@pytest.fixture
def spans(provider: Any) -> Callable[[], list[Any]]:
    """The spans so far, in the order of their ends."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return lambda: list(exporter.get_finished_spans())
