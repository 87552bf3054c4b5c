"""Prometheus metrics, held against what ``stats`` says."""

from __future__ import annotations

import gc
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.response_synthesizers import ResponseMode
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.errors import ArgumentError, MissingExtraWarning
from ayo_bridge.events import Event, Facts
from ayo_bridge.seam import Outcome
from ayo_bridge.telemetry import metrics as metrics_module
from ayo_bridge.telemetry.metrics import Instruments
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.differential.llama_index import collect_garbage, settings
from tests.observe.states import call, record, state
from tests.stub_openai import StubOpenAI


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with settings():
        yield
    collect_garbage()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


def by_made(registry: CollectorRegistry) -> Counter[str]:
    """Requests to engines so far, by what became of them."""
    found: Counter[str] = Counter()
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == "ayo_bridge_engine_requests_total":
                found[sample.labels["made"]] += int(sample.value)
    return found


def test_requests_are_counted_as_stats_counts_them(
    stub: StubOpenAI,
    registry: CollectorRegistry,
    runtime_of: Callable[..., Runtime],
    request: pytest.FixtureRequest,
) -> None:
    env = Env(stub, request.getfixturevalue, streaming=False)
    runtime = runtime_of(metrics=registry)
    source = parts.retriever(env, top_k=3)
    engine = parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, source=source)
    fast = accelerate(engine, runtime=runtime)
    for number in range(3):
        fast.query(f"What of note {number}?")
    assert runtime.telemetry is not None
    assert runtime.telemetry.flush()
    known, made = stats(fast), by_made(registry)
    assert made["ahead_used"] == known.hits > 0
    assert made["own"] == known.direct + known.missed > 0
    assert made["ahead_used"] + made["own"] == len(stub.calls) + 3  # And a search each.
    labels = {"entry": "RetrieverQueryEngine.query", "outcome": "ok"}
    assert registry.get_sample_value("ayo_bridge_calls_total", labels) == 3
    seconds = {"entry": "RetrieverQueryEngine.query"}
    assert registry.get_sample_value("ayo_bridge_call_seconds_count", seconds) == 3
    shown = generate_latest(registry).decode()
    (llm,) = [e.name for s in runtime.schedulers if (e := s.engine).name.startswith("llm:")]
    assert f'ayo_bridge_engine_queue_seconds_count{{engine="{llm}"}} {known.hits}.0' in shown
    assert 'ayo_bridge_requests_ahead{server="127.0.0.1:' in shown


def test_what_became_of_calls_and_requests_has_a_label(registry: CollectorRegistry) -> None:
    counted = Instruments(registry)
    several = (Outcome.HIT, Outcome.WASTED, Outcome.DROPPED, Outcome.CANCELLED, Outcome.WARM)
    counted.count("Engine", record(*map(call, several), call(Outcome.AHEAD), call(Outcome.DIRECT)))
    counted.count("Engine", record(call(fused=True, batch=4), error="CancelledError()"))
    counted.count("answer", record(error="ValueError('no')"))
    assert by_made(registry) == {
        "ahead_used": 1,
        "ahead_in_vain": 2,
        "ahead_cancelled": 1,
        "prompt_begun_ahead": 1,
        "own": 2,
    }
    outcomes = {
        (s.labels["entry"], s.labels["outcome"])
        for family in registry.collect()
        for s in family.samples
        if s.name == "ayo_bridge_calls_total"
    }
    assert outcomes == {
        ("Engine.retrieve", "ok"),
        ("Engine.retrieve", "cancelled"),
        ("answer.retrieve", "error"),
    }
    size = {"engine": "minilm", "le": "4.0"}
    below = {"engine": "minilm", "le": "2.0"}
    name = "ayo_bridge_engine_batch_size_bucket"
    at_most_4, at_most_2 = (registry.get_sample_value(name, each) for each in (size, below))
    assert at_most_4 is not None
    assert at_most_2 is not None
    assert at_most_4 - at_most_2 == 1


def test_a_label_has_no_more_values_than_a_scrape_can_bear(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_module, "MOST_VALUES", 2)
    counted = Instruments(registry)
    for number in range(5):
        counted.count(f"tool{number}", record(call(engine=f"store#{number}")))
    entries = {"entry": "other", "outcome": "ok"}
    assert registry.get_sample_value("ayo_bridge_calls_total", entries) == 3
    engine = {"engine": "store", "kind": "embedding", "made": "ahead_used"}
    assert registry.get_sample_value("ayo_bridge_engine_requests_total", engine) == 5


def test_calls_that_were_let_through_unseen_are_counted_also_of_objects_that_are_gone(
    registry: CollectorRegistry, runtime_of: Callable[..., Runtime]
) -> None:
    runtime = runtime_of(metrics=registry)

    def shout(text: str) -> str:
        return text.upper()

    def unseen() -> float | None:
        return registry.get_sample_value("ayo_bridge_calls_unseen_total")

    loud: Any = accelerate(shout, runtime=runtime)
    for number in range(10):
        loud(f"salt {number}")
    assert runtime.telemetry is not None
    assert runtime.telemetry.flush()
    labels = {"entry": "shout", "outcome": "ok"}
    seen, total = registry.get_sample_value("ayo_bridge_calls_total", labels), unseen()
    assert seen is not None
    assert total is not None
    assert total > 0
    assert seen + total == 10
    del loud
    gc.collect()
    assert unseen() == total


def test_events_of_objects_are_counted(
    registry: CollectorRegistry, runtime_of: Callable[..., Runtime]
) -> None:
    made, runtime = state(), runtime_of(metrics=registry)
    made.runtime = runtime
    made.tell(logging.getLogger("ayo_bridge"), Event.LEARNED, "learned", Facts())
    made.switch_off("it was in vain")
    made.switch_off("it is off already")
    assert runtime.telemetry is not None
    assert runtime.telemetry.flush()
    assert registry.get_sample_value("ayo_bridge_templates_learned_total") == 1
    assert registry.get_sample_value("ayo_bridge_switched_off_total") == 1
    assert registry.get_sample_value("ayo_bridge_verify_mismatches_total") == 0


def test_runtimes_share_the_default_registry_until_the_last_one_closes(
    runtime_of: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_METRICS", "1")
    one, other = runtime_of(), runtime_of(metrics=True)
    one.close()
    assert b"ayo_bridge_switched_off_total" in generate_latest(REGISTRY)
    other.close()
    assert b"ayo_bridge" not in generate_latest(REGISTRY)


def test_what_is_no_registry_or_has_these_names_is_refused(registry: CollectorRegistry) -> None:
    with pytest.raises(ArgumentError, match="metrics is to be True, False or a CollectorRegistry"):
        Runtime(metrics="yes")  # type: ignore[arg-type]
    Gauge("ayo_bridge_switched_off_total", "Somebody else's.", registry=registry)
    with pytest.raises(ArgumentError, match="metrics cannot be registered"):
        Runtime(metrics=registry)
    assert b"ayo_bridge_calls" not in generate_latest(registry)


@pytest.mark.parametrize(
    ("option", "library"), [("otel", "opentelemetry"), ("metrics", "prometheus_client")]
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    option: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    options: dict[str, Any] = {option: True}
    with pytest.raises(ArgumentError, match=rf"pip install 'ayo-bridge\[{option}\]'"):
        Runtime(**options)
    monkeypatch.setenv(f"AYO_{option.upper()}", "1")
    with pytest.warns(MissingExtraWarning, match=f"AYO_{option.upper()}=1 needs"):
        made = Runtime()
    assert made.telemetry is None
    made.close()
