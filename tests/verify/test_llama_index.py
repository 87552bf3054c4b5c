"""LlamaIndex engines that are verified: equal, unheard, and what is planted is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.response_synthesizers import ResponseMode
from llama_index_instrumentation import get_dispatcher

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import verification
from ayo_bridge.runahead.verification import verifier
from ayo_bridge.seam import Hit
from ayo_llamaindex import taps
from ayo_llamaindex.guide import Guide
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.differential.llama_index import collect_garbage, settings
from tests.stub_openai import StubOpenAI
from tests.verify.planted import until_found, verified


class Heard(BaseEventHandler):
    """Counts the events that it hears."""

    count: int = 0

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.count += 1


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), get_dispatcher("root")
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verification, "APART", 0.01)
    with settings():
        yield
    collect_garbage()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path), verify=1.0)
    yield made
    made.close()


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


def _engine(
    stub: StubOpenAI, mode: str, request: pytest.FixtureRequest, *, streaming: bool = False
) -> Any:
    env = Env(stub, request.getfixturevalue, streaming)
    return parts.engine(env, mode, chunk=64, top_k=3, source=parts.retriever(env, top_k=3))


@pytest.mark.parametrize("mode", [ResponseMode.TREE_SUMMARIZE, ResponseMode.ACCUMULATE])
def test_an_engine_is_verified_and_nobody_hears_of_it(
    mode: str, stub: StubOpenAI, runtime: Runtime, heard: Heard, request: pytest.FixtureRequest
) -> None:
    engine = _engine(stub, mode, request)
    fast = accelerate(engine, runtime=runtime)
    engine.query("What grows?")
    plain, asked = heard.count, len(stub.calls)
    fast.query("What grows?")
    eventually(verifier.is_idle, "the end of verifying")
    assert heard.count == 2 * plain
    assert len(stub.calls) == 2 * asked
    assert (stats(fast).verified, stats(fast).mismatched) == (1, 0)
    assert "1 by the original, run again" in str(explain(fast))


def test_an_answer_that_streams_is_compared_once_it_was_read(
    stub: StubOpenAI, runtime: Runtime, request: pytest.FixtureRequest
) -> None:
    fast = accelerate(
        _engine(stub, ResponseMode.TREE_SUMMARIZE, request, streaming=True), runtime=runtime
    )
    assert "".join(fast.query("What grows?").response_gen)
    eventually(verifier.is_idle, "the end of verifying")
    assert stats(fast).mismatched == 0
    assert "1 by the original, run again" in str(explain(fast))
    assert not explain(fast).switched_off


def _another_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is packed ahead is handed over as something else."""
    monkeypatch.setattr(Guide, "merge", lambda *given: Hit(["wrongly packed"]))


def _other_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of tokens is too little: one chunk takes in what two should."""

    def wrong(splitter: Any) -> None:
        splitter._tokenizer = lambda text: [0]

    monkeypatch.setattr(taps, "remember_tokens", wrong)


@pytest.mark.parametrize(
    ("entry", "plant"),
    # Nothing is handed over where the original packs and asks side by side itself.
    [("query", _another_merge), ("query", _other_tokens), ("aquery", _other_tokens)],
)
def test_chunks_that_are_packed_wrong_are_found(
    entry: str,
    plant: Callable[[pytest.MonkeyPatch], None],
    stub: StubOpenAI,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    async def ask(engine: Any, asked: str) -> str:
        return str(engine.query(asked) if entry == "query" else await engine.aquery(asked))

    mode = ResponseMode.ACCUMULATE if plant is _another_merge else ResponseMode.COMPACT_ACCUMULATE
    engine = _engine(stub, mode, request)
    fast = accelerate(engine, runtime=runtime)
    with asyncio.Runner() as loop:
        loop.run(ask(fast, "What is known?"))  # Makes the client, which changes the model object.
        verified()
        plant(monkeypatch)
        assert until_found(fast, lambda n: loop.run(ask(fast, f"What grows in place {n}?"))) <= 100
        assert stats(fast).mismatched == 1
        assert explain(fast).switched_off
        assert loop.run(ask(fast, "What grows?")) == loop.run(ask(engine, "What grows?"))
