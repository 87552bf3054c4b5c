"""What a router is told of the calls of a tree and of a refine chain, which it sees one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.response_synthesizers import ResponseMode

from ayo_bridge import LLM, accelerate
from ayo_bridge.profile import ProfileStore
from tests.differential import llama_index_parts as parts
from tests.differential.harness import EagerRuntime, Env
from tests.proofs import prove
from tests.stub_openai import StubRequest

QUESTIONS = ("What grows in the north?", "Who keeps the ledger?", "Where is it kept?")
SAID = "noted"
LAST = "all that was noted is told here once more, and at some length"
Hints = list[dict[str, Any]]
Asks = Callable[..., Iterator[tuple[Hints, Hints]]]


@pytest.fixture
def asks(env: Env, tmp_path: Path) -> Iterator[Asks]:
    """Asks an engine three times; the hints of prefixes, and of the other requests, each time."""
    stub = env.stub
    stub.reset()
    stub.reply_when(lambda each: True, text=lambda each: LAST if SAID in each.prompt else SAID)
    router = LLM("stub", [stub.base_url], "external", hints="agentic_context")
    runtime = EagerRuntime(engines=[router], profiles=ProfileStore(tmp_path))

    def asked(mode: ResponseMode, *, chat: bool, **options: Any) -> Iterator[tuple[Hints, Hints]]:
        model = parts.llm(env, chat=chat)
        model._get_client()
        engine = accelerate(
            parts.engine(env, mode, top_k=4, model=model, **options), runtime=runtime
        )
        if mode is ResponseMode.REFINE:  # Its prefixes wait for the proof that they are kept.
            prove(runtime)
        for question in QUESTIONS:
            before = len(stub.requests)
            assert str(engine.query(question)) == LAST
            made = stub.requests[before:]
            warms = [each for each in made if each.mark == "warm"]
            calls = [each for each in made if each.mark is None]
            yield [*map(hint, warms)], [*map(hint, calls)]

    yield asked
    runtime.close()


def hint(request: StubRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.body["vllm_xargs"]["agentic_context"]
    assert found.pop("program_id")
    return found


def outputs(hints: Hints) -> list[int | None]:
    return [each.get("expected_output_tokens") for each in hints]


@pytest.mark.parametrize("chat", [True, False])
def test_leaves_and_root_of_a_tree_are_told_apart(asks: Asks, chat: bool) -> None:
    """Though all their prompts begin alike (chat), or none of them does (their first line holds
    notes already)."""
    first, *later = (calls for _, calls in asks(ResponseMode.TREE_SUMMARIZE, chat=chat, chunk=64))
    assert [each["expected_resume"] for each in first] == [False] * len(first)
    assert len(first) > 3
    for calls in later:
        assert outputs(calls) == [len(SAID.split())] * (len(calls) - 1) + [len(LAST.split())]


def test_steps_of_a_refine_chain_go_by_their_place_and_prefixes_say_what_follows(
    asks: Asks,
) -> None:
    first, *_, (warms, last) = asks(ResponseMode.REFINE, chat=True)
    assert [each["expected_resume"] for each in (*first[1], *last)] == [False] * 8
    assert outputs(last) == [len(SAID.split()), *[len(LAST.split())] * 3]
    assert warms
    for each in warms:
        assert (each["expected_output_tokens"], each["expected_resume"]) == (1, True)
        assert each["kv_retention_ttl_seconds"] > 0
