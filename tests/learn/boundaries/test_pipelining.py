"""Items of an answer are asked about before it has been written to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.learn.live.pipelining import CLEAN
from ayo_bridge.profile import ProfileStore
from ayo_bridge.schedule.limits import START
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import asked, client_of, learned, outcomes, question
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI
from tests.stub_openai.replies import hashed_text
from tests.stub_openai.requests import StubRequest

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Ask = Callable[[openai.OpenAI, str], str]
Program = Callable[[str], str]


def _read(client: openai.OpenAI, prompt: str) -> str:
    stream = client.chat.completions.create(
        model="stub", messages=[{"role": "user", "content": prompt}], stream=True
    )
    return "".join(event.choices[0].delta.content or "" for event in stream if event.choices)


def _text(body: Any) -> str:
    """Some lines where parts are asked for, each of them of this question.

    There are more than go ahead at once at a server that nobody knows: of fewer nothing would be
    won by knowing them one by one.
    """
    prompt = str(body.get("messages") or body.get("prompt"))
    if "Name the parts" not in prompt:
        return hashed_text(body)
    words = hashed_text(body).split()
    count = START + 2 + len(words[0]) % 2
    return "\n".join(f"{at + 1}. part {words[at % len(words)]} {at}" for at in range(count))


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """What is sent ahead is not held back by what the server may be able to take."""
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path), max_ahead=16)
    yield made
    made.close()


@pytest.fixture
def written(stub: StubOpenAI) -> StubOpenAI:
    """The stub, which writes streams word by word.

    What the original asks before its list is soon there: the list goes ahead with it, and items
    are asked about only once the original has come for the list.
    """
    stub.text, stub.latency, stub.spread = _text, 0.02, True
    stub.reply_when("Say this in other words", latency=0.005)
    return stub


def _program(client: openai.OpenAI, name: Ask, *, first: bool) -> Program:
    """Explains each part that an answer names, one after another.

    Nothing goes ahead by its client before that has asked something in a call: what it asks
    ``first`` is never made ahead.
    """

    def answer(query: str) -> str:
        if not first:
            asked(client, f"Say this in other words: {query}")
        parts = name(client, f"Name the parts of: {query}")
        told = [asked(client, f"Explain this: {p.split('. ', 1)[1]}") for p in parts.split("\n")]
        return "; ".join(told)

    return answer


def _list_and_items(stub: StubOpenAI) -> tuple[StubRequest, list[StubRequest]]:
    (listed,) = [call for call in stub.calls if "Name the parts" in call.prompt]
    return listed, [call for call in stub.calls if "Explain this" in call.prompt]


def _before_its_end(stub: StubOpenAI) -> int:
    """How many items were asked about before the list was whole."""
    listed, items = _list_and_items(stub)
    assert listed.ended is not None
    return sum(item.arrived < listed.ended for item in items)


def _taught(answer: Program, runtime: Runtime, stub: StubOpenAI) -> Program:
    """Learned from calls that take so long that there is much to win, on a busy machine, too."""
    latency, stub.latency = stub.latency, 0.03
    fast: Program = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(question(number))
    learned(fast)
    stub.latency = latency
    return fast


def _equal(fast: Program, answer: Program, stub: StubOpenAI, number: int) -> int:
    """One call of either, of the same answer; how many items went before their list was whole."""
    latency, stub.latency = stub.latency, 0.0
    expected = answer(question(number))
    stub.latency = latency
    stub.requests.clear()
    assert fast(question(number)) == expected
    return _before_its_end(stub)


def _pipelined(fast: Program, answer: Program, stub: StubOpenAI) -> None:
    """All items but the last go before their list is whole, once they were right so far."""
    for number in range(8, 30):
        before = _equal(fast, answer, stub, number)
        if number > 8 + CLEAN and before >= len(_list_and_items(stub)[1]) - 1:
            return
        stub.latency = 0.3
    raise AssertionError("in no call have items gone before their list was whole")


@pytest.mark.parametrize("first", [True, False])
def test_items_of_a_stream_are_asked_about_while_it_is_written(
    written: StubOpenAI, runtime: Runtime, first: bool
) -> None:
    answer = _program(client_of(written), _read, first=first)
    fast = _taught(answer, runtime, written)
    _pipelined(fast, answer, written)
    _, items = _list_and_items(written)
    assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: len(items) + (not first)}


def test_a_reply_that_the_original_reads_as_a_whole_is_made_of_a_stream_once_that_is_proven(
    written: StubOpenAI, runtime: Runtime
) -> None:
    answer = _program(client_of(written), asked, first=False)
    fast = _taught(answer, runtime, written)
    assert _equal(fast, answer, written, 7) == 0
    eventually(lambda: bool(runtime.can_stream()), "the proof that replies can be rebuilt")
    _pipelined(fast, answer, written)
    listed, items = _list_and_items(written)
    assert listed.body["stream"]
    assert not any(item.body.get("stream") for item in items)
    assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 1 + len(items)}


def test_where_replies_cannot_be_rebuilt_the_original_asks_as_ever(
    written: StubOpenAI, runtime: Runtime
) -> None:
    written.reply_when(lambda request: bool(request.body.get("stream")), status=400)
    answer = _program(client_of(written), asked, first=False)
    fast = _taught(answer, runtime, written)
    assert [_equal(fast, answer, written, number) for number in range(8, 11)] == [0, 0, 0]
    assert not any(call.body.get("stream") for call in written.calls)
    assert not runtime.can_stream()
