"""An adapter of a third framework, as docs/pages/adding-an-adapter.md shows it."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ayo_bridge import Runtime, explain, stats
from ayo_bridge.profile import ProfileStore
from tests.lift.toy.adapter import accelerate, adapter
from tests.lift.toy.answerer import Answerer
from tests.stub_openai import StubOpenAI

QUESTION = "more bridges"


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.05) as server:
        yield server


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"authorization": "Bearer mine"}) as made:
        yield made


@pytest.fixture
def answerer(stub: StubOpenAI, client: httpx.Client) -> Answerer:
    return Answerer(stub.base_url, "stub", client)


def bodies(stub: StubOpenAI) -> Counter[str]:
    """What the server was asked since the last time."""
    seen = Counter(json.dumps(call.body, sort_keys=True) for call in stub.calls)
    stub.requests.clear()
    return seen


def test_both_questions_are_asked_at_once_and_nothing_else_changes(
    answerer: Answerer, stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(answerer, runtime)
    expected, asked = answerer.ask(QUESTION), bodies(stub)
    assert stub.max_in_flight == 1
    stub.reply_when("", together=2)
    for _ in range(3):
        assert fast.ask(QUESTION) == expected
        assert bodies(stub) == asked
    assert stub.max_in_flight == 2
    assert type(fast).__name__ == "Answerer"
    assert (stats(fast).hits, stats(fast).wasted) == (6, 0)
    assert "answer  synthesis" in explain(fast).full()


def test_a_request_ahead_has_the_headers_of_the_client(
    answerer: Answerer, stub: StubOpenAI, runtime: Runtime
) -> None:
    accelerate(answerer, runtime).ask(QUESTION)
    sent: list[Any] = [{k.lower(): v for k, v in call.headers.items()} for call in stub.calls]
    for name in ("authorization", "user-agent", "accept", "content-type"):
        assert sent[0][name] == sent[1][name], name


def test_a_call_that_is_wrong_raises_what_it_did(answerer: Answerer, runtime: Runtime) -> None:
    with pytest.raises(TypeError, match="question"):
        accelerate(answerer, runtime).ask()


def test_what_is_changed_later_is_seen(
    answerer: Answerer, stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(answerer, runtime)
    fast.ask(QUESTION)
    fast.prompts = answerer.prompts = ("Really? {question}", "And {question}?")
    bodies(stub)
    expected, asked = answerer.ask(QUESTION), bodies(stub)
    assert fast.ask(QUESTION) == expected
    assert bodies(stub) == asked


class Shouting(Answerer):
    """A subclass may do anything."""

    def body(self, prompt: str) -> dict[str, Any]:
        return super().body(prompt.upper())


def test_a_subclass_is_left_alone_and_said_to_be(
    stub: StubOpenAI, client: httpx.Client, runtime: Runtime
) -> None:
    own = Shouting(stub.base_url, "stub", client)
    with pytest.warns(match="Shouting is not Answerer itself"):
        fast = accelerate(own, runtime)
    assert fast.ask(QUESTION) == own.ask(QUESTION)
    assert stub.max_in_flight == 1


def test_a_copy_is_accelerated_as_well(
    answerer: Answerer, stub: StubOpenAI, runtime: Runtime
) -> None:
    copied = copy.copy(accelerate(answerer, runtime))
    assert copied.ask(QUESTION) == answerer.ask(QUESTION)
    assert stats(copied).hits == 2


def test_the_document_shows_this_very_adapter() -> None:
    root = Path(__file__).parents[3]
    shown = (root / "docs" / "pages" / "adding-an-adapter.md").read_text("utf-8")
    for name in ("answerer.py", "adapter.py"):
        source = Path(__file__).with_name(name).read_text("utf-8")
        body = source[source.index("class Answerer") :].strip()
        assert body.split("\n\n\nadapter = ")[0] in shown, name
    assert adapter.accepts(Answerer) is False
