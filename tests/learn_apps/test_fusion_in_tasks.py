"""A fusion retriever that asks in tasks embeds its queries side by side, accelerated or not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import accelerate, explain
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineKind, Outcome
from benchmarks.learned.engines import Engines, Latencies, cache_tokenizer, running_engines
from benchmarks.learned.passages import passages, question

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

GENERATED = 3
DEADLINE = 10.0


@pytest.fixture
def engines() -> Iterator[Engines]:
    cache_tokenizer()
    with running_engines(Latencies(0.0, 0.0, 0.0)) as engines:
        yield engines


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def test_generated_queries_are_embedded_side_by_side_by_a_model_that_shares_no_batch(
    engines: Engines, runtime: Runtime
) -> None:
    from llama_index.core.retrievers import QueryFusionRetriever

    embedding = engines.llama_embedding()
    index = engines.llama_index(passages("history", 10), embedding)
    original = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=2)],
        llm=engines.llama_llm(),
        num_queries=GENERATED + 1,
        use_async=True,
    )
    fast = accelerate(original, runtime=runtime)
    expected = [found.node_id for found in original.retrieve(question(1))]
    together, numbers = threading.Barrier(GENERATED), count()

    def meets_the_others(*_: Any) -> None:
        if next(numbers) > 0:  # The question is embedded first, while the model is asked.
            together.wait(DEADLINE)

    embedding._model[0].register_forward_pre_hook(meets_the_others)  # So it shares no batch.
    assert [found.node_id for found in fast.retrieve(question(1))] == expected
    record = explain(fast).record
    assert record is not None
    made = [call for call in record.calls if call.kind is EngineKind.EMBEDDING]
    assert len(made) == next(numbers) == GENERATED + 1
    assert {call.outcome for call in made} <= {Outcome.HIT, Outcome.DIRECT}
    assert made[0].primitive == "search.embed[question]"
