"""An accelerated runnable is, to whoever looks, the original: through every entry point."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import Runnable

from ayo_bridge import stats
from tests.adapters.langchain.calls import ENTRIES, assert_mapped, assert_same, made
from tests.adapters.langchain.cases import chat, multi_query, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def plain_chain(url: str) -> Runnable[Any, Any]:
    return rag(store().as_retriever(), chat(url))


def multi(url: str) -> Runnable[Any, Any]:
    return multi_query(url)


def multi_with_original(url: str) -> Runnable[Any, Any]:
    return multi_query(url, include_original=True)


def multi_in_chain(url: str) -> Runnable[Any, Any]:
    return rag(multi_query(url, include_original=True), chat(url))


APPLICATIONS = [plain_chain, multi, multi_with_original, multi_in_chain]


def has_threads(build: Callable[[str], object], entry: str) -> bool:
    """A parallel step runs its branches in threads: their events interleave as they happen to."""
    return build in (plain_chain, multi_in_chain) or entry.startswith("a") or "batch" in entry


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("build", APPLICATIONS)
async def test_before_the_server_is_proven(
    build: Callable[[str], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    original = build(stub.base_url)
    accelerated = fast(original)
    expected = await made(original, entry, stub)
    for _ in range(2):
        seen = await made(accelerated, entry, stub)
        assert_same(expected, seen, threads=has_threads(build, entry))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("build", [multi, multi_with_original, multi_in_chain])
async def test_with_a_server_that_is_proven(
    build: Callable[[str], Any],
    entry: str,
    stub: StubOpenAI,
    fast: Accelerate,
    proven: Callable[[], None],
) -> None:
    original = build(stub.base_url)
    accelerated = fast(original)
    proven()
    expected = await made(original, entry, stub)
    for _ in range(3):
        seen = await made(accelerated, entry, stub)
        assert_same(expected, seen, threads=has_threads(build, entry))
    assert stats(accelerated).wasted == 0


@pytest.mark.parametrize("entry", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("build", APPLICATIONS)
async def test_every_request_belongs_to_a_primitive(
    build: Callable[[str], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(build(stub.base_url))
    seen = await made(accelerated, entry, stub)
    assert_mapped(accelerated, seen.requests.total())


@pytest.mark.parametrize("entry", ["batch", "abatch"])
@pytest.mark.parametrize("build", [plain_chain, multi_in_chain])
async def test_every_request_of_a_batch_belongs_to_a_primitive(
    build: Callable[[str], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(build(stub.base_url))
    seen = await made(accelerated, entry, stub)
    assert_mapped(accelerated, seen.requests.total())


@pytest.mark.parametrize("lines", [1, 2, 5, 0])
@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
async def test_another_number_of_queries_than_expected(
    lines: int, entry: str, stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    text = " \n\n".join(f"query {number} of rivers" for number in range(lines)) or "\n"
    stub.reply_when("separated by newlines", text=text)
    original = multi_with_original(stub.base_url)
    accelerated = fast(original)
    proven()
    expected = await made(original, entry, stub)
    for _ in range(3):  # The first two with a graph for three queries, or for as many as it was.
        assert_same(expected, await made(accelerated, entry, stub), threads=entry == "ainvoke")


async def test_a_batch_keeps_to_the_concurrency_its_config_allows(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    accelerated = fast(multi_in_chain(stub.base_url))
    proven()
    stub.latency, stub.max_in_flight = 0.02, 0
    accelerated.batch([f"of item {n}" for n in range(6)], {"max_concurrency": 2})
    assert stub.max_in_flight <= 2


async def test_metadata_tags_and_names_of_a_config_arrive(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    original = multi_in_chain(stub.base_url)
    config = {"tags": ["mine", "another"], "metadata": {"user": 7}, "run_name": "named"}
    expected = await made(original, "invoke", stub, **config)
    assert_same(expected, await made(fast(original), "invoke", stub, **config), threads=True)


async def test_astream_events_are_the_originals(stub: StubOpenAI, fast: Accelerate) -> None:
    original = multi_in_chain(stub.base_url)
    accelerated = fast(original)

    async def events(runnable: Any) -> list[tuple[str, str, Any]]:
        found = [e async for e in runnable.astream_events("of rivers", version="v2")]
        return sorted((e["event"], e["name"], str(e["tags"])) for e in found)

    assert await events(accelerated) == await events(original)
