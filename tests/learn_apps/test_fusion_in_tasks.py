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
MOST = 8
"""So many calls may be needed until it is known what is won by running ahead."""
DEADLINE = 10.0


@pytest.fixture
def engines() -> Iterator[Engines]:
    cache_tokenizer()
    with running_engines(Latencies(0.05, 0.01, 0.0)) as engines:
        yield engines


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def texts(retriever: Any, number: int) -> list[str]:
    return [found.node.get_content() for found in retriever.retrieve(question(number))]


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
    together, numbers = threading.Barrier(GENERATED), count()

    def meets_the_others(*_: Any) -> None:
        if next(numbers) % (GENERATED + 1):  # The question is the first, while the LLM is asked.
            together.wait(DEADLINE)

    embedding._model[0].register_forward_pre_hook(meets_the_others)  # So it shares no batch.
    for number in range(MOST):
        assert texts(fast, number) == texts(original, number)
        assert next(numbers) == 2 * (GENERATED + 1)
        numbers = count()
        record = explain(fast).record
        assert record is not None
        made = [call.outcome for call in record.calls if call.kind is EngineKind.EMBEDDING]
        if made == [Outcome.HIT] * (GENERATED + 1):
            return
    pytest.fail(f"the queries were never embedded ahead: {explain(fast)}")
