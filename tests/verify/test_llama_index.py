"""LlamaIndex engines that are verified: equal, unheard, and what is planted is found."""

from __future__ import annotations

from collections.abc import Iterator
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
from ayo_llamaindex.guide import Guide
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.differential.llama_index import settings
from tests.stub_openai import StubOpenAI


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


def test_chunks_that_are_handed_over_wrong_are_found(
    stub: StubOpenAI,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    def wrong(self: Guide, splitter: Any, splits: Any, size: int) -> Hit:
        return Hit(["wrongly packed"])

    engine = _engine(stub, ResponseMode.ACCUMULATE, request)
    fast = accelerate(engine, runtime=runtime)
    fast.query("What is known?")  # Makes the client, which changes the model object.
    eventually(verifier.is_idle, "the end of verifying")
    monkeypatch.setattr(Guide, "merge", wrong)
    for number in range(10):  # A busy process verifies nothing.
        fast.query(f"What grows in place {number}?")
        eventually(verifier.is_idle, "the end of verifying")
        if stats(fast).mismatched:
            break
    assert stats(fast).mismatched == 1
    assert str(fast.query("What grows?")) == str(engine.query("What grows?"))
