"""The emulated embedding model and reranker, on a virtual clock and by the SDK."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence

import openai
import pytest

from ayo_bridge.errors import ArgumentError
from ayo_bridge.profile import Curve, EngineProfile
from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.serving.emulated.batches import Batched, EmulatedBatches
from ayo_bridge.serving.emulated.profiles import settings_for
from ayo_bridge.simulate import LLMCosts, run_virtual

COSTS = LLMCosts(0.004, 0.00001, 0.0, 0.004, 0.0, kv_tokens=8192)
EMBEDDING = "bge-large-en-v1.5@1x3090"
RERANKER = "bge-reranker-large@1x3090"


def ended(items: Sequence[int], later: float = 0.0, gone: Sequence[int] = ()) -> list[float]:
    """When requests end that come together, but for the last, which comes ``later``."""

    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        engine = EmulatedBatches(EngineProfile("embedding", Curve(((1, 1.0), (4, 2.0))), 4))
        times = [0.0] * len(items)
        for number, count in enumerate(items):
            if later and number == len(items) - 1:
                await asyncio.sleep(later)

            def done(number: int = number) -> None:
                times[number] = loop.time()

            engine.add(Batched(count, done, gone=number in gone))
        await asyncio.sleep(60)
        return times

    return run_virtual(run())


@pytest.mark.parametrize(
    ("items", "later", "expected"),
    [
        ([1, 3], 0.0, [2.0, 2.0]),  # One batch of four.
        ([3, 3], 0.0, [pytest.approx(5 / 3), pytest.approx(10 / 3)]),  # Six are too many.
        ([1, 1], 0.5, [1.0, 2.0]),  # Who comes later waits for the batch under way.
        ([9], 0.0, [5.0]),  # Two batches of b* and one of one.
    ],
)
def test_requests_that_wait_share_a_batch_of_b_star(
    items: list[int], later: float, expected: list[float]
) -> None:
    assert ended(items, later) == expected


def test_who_has_left_takes_no_time() -> None:
    assert ended([4, 1], gone=[0]) == [0.0, 1.0]


def test_a_model_that_nobody_published_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"no embedding is called 'minilm': take bge-large"):
        settings_for(COSTS, embedding="minilm")


async def test_vectors_and_ranks_are_those_of_words_in_common() -> None:
    texts = ["Threads wait for locks.", "A lock is held by one thread.", "Dates have time zones."]
    with EmulatedServer(COSTS, speed=50, embedding=EMBEDDING, reranker=RERANKER) as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
            coded = await client.embeddings.create(model=EMBEDDING, input=texts)
            plain = await client.embeddings.create(
                model=EMBEDDING, input=texts, encoding_format="float"
            )
            names = [model.id async for model in client.models.list()]
            with pytest.raises(openai.NotFoundError, match="does not exist"):
                await client.embeddings.create(model="another", input=texts)
        assert names == ["costs", EMBEDDING, RERANKER]
        assert [each.embedding for each in coded.data] == [each.embedding for each in plain.data]
        first, *others = (each.embedding for each in plain.data)
        near, far = (sum(map(float.__mul__, first, other)) for other in others)
        assert near > far
        body = {"model": RERANKER, "query": "time zones of dates", "documents": texts, "top_n": 2}
        request = urllib.request.Request(f"{server.url}/rerank", json.dumps(body).encode())
        with urllib.request.urlopen(request) as reply:
            results = json.load(reply)["results"]
        assert results[0]["index"] == 2
        assert len(results) == 2
