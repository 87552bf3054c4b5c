"""Calls that are verified: what is planted is found, and nothing else is."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ayo_bridge import Runtime, explain, stats
from ayo_bridge import accelerate as accelerate_any
from ayo_bridge.engines.openai_http import LLMRequest
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.learn.live.owners import Way
from ayo_bridge.lift.entries import Entry
from ayo_bridge.lift.lifted import Asked, Lifted
from ayo_bridge.lift.shows import Shows
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import AcceleratedState, current_scope, opening, verification
from ayo_bridge.runahead.verification import MOST, verifier
from ayo_bridge.runahead.worker import Worker
from ayo_bridge.seam import Call
from tests.adapters.python.programs import asking, learned, question
from tests.deadline import eventually
from tests.lift.toy import adapter as toy
from tests.lift.toy.adapter import QUESTION, AnswererAdapter
from tests.lift.toy.answerer import Answerer
from tests.stub_openai import StubOpenAI

# Functions keep their clients: these are not closed, and that is not our concern.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WRONG: Final = "something else entirely"


class Quiet(Shows):
    """Objects that tell nobody of anything."""

    silencers = ()


class Toy(AnswererAdapter):
    """Its objects tell nobody of anything."""

    shows = Quiet()


class Packing(Toy):
    """A wrong lifter: what it hands over is not what the original would compute."""

    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        return Asked(entry.sync, {QUESTION: WRONG})

    def lift(self, obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
        lifted = super().lift(obj, state, asked)
        return replace(lifted, guide=lambda scope, _: scope.hand_over("packed", WRONG))


class Packed(Answerer):
    """Packs its question first, which may have been done for it."""

    def ask(self, question: str) -> str:
        scope = current_scope()
        handed = scope.handed("packed") if scope is not None else None
        return super().ask(question if handed is None else str(handed.value))


class Ticking(Answerer):
    """Asks something else each time."""

    def complete(self, prompt: str) -> str:
        return super().complete(f"{prompt} at {time.perf_counter_ns()}")


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "APART", 0.01)


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.002) as server:
        yield server


@pytest.fixture
def runtime_of(tmp_path: Path) -> Iterator[Callable[[float], Runtime]]:
    made: list[Runtime] = []

    def of(share: float) -> Runtime:
        made.append(Runtime(measure=False, profiles=ProfileStore(tmp_path), verify=share))
        made[-1].chance.seed(11)
        return made[-1]

    yield of
    for runtime in made:
        runtime.close()


@pytest.fixture
def answerer(stub: StubOpenAI) -> Iterator[Answerer]:
    with httpx.Client(headers={"authorization": "Bearer secret"}) as client:
        yield Answerer(stub.base_url, "stub", client)


def accelerated(obj: Any, runtime: Runtime, adapter: AnswererAdapter | None = None) -> Any:
    used = adapter or Toy()

    def again(copied: Any, runtime: Any) -> Any:
        return used.accelerate(copied, runtime, again, quiet=True)

    return used.accelerate(obj, runtime, again)


def verified() -> None:
    eventually(verifier.is_idle, "the end of verifying")


def prompts(stub: StubOpenAI) -> Counter[str]:
    return Counter(call.prompt for call in stub.calls)


def test_a_verified_call_asks_the_server_nothing_more_and_is_found_equal(
    answerer: Answerer, stub: StubOpenAI, runtime_of: Callable[[float], Runtime]
) -> None:
    fast = accelerated(answerer, runtime_of(1.0))
    for number in range(3):
        answer = fast.ask(f"question {number}")
        verified()
        asked = prompts(stub)
        assert list(asked.values()) == [1, 1]
        assert answer == answerer.ask(f"question {number}")
        stub.reset()
    assert (stats(fast).verified, stats(fast).mismatched, stats(fast).hits) == (3, 0, 6)
    assert "3 by the original, run again on the same replies" in str(explain(fast))


def test_a_planted_wrong_lifter_is_found_and_switched_off(
    stub: StubOpenAI,
    answerer: Answerer,
    runtime_of: Callable[[float], Runtime],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(toy, "_differs", lambda obj: None)
    own = Packed(stub.base_url, "stub", answerer.client)
    fast = accelerated(own, runtime_of(0.1), Packing())
    calls = until_found(fast, lambda number: fast.ask(f"question {number}"))
    assert calls <= 100
    assert fast.ask("right") == own.ask("right")
    assert "verify found that the original asks what was not asked" in str(explain(fast))
    (told,) = [each for each in caplog.records if each.name == "ayo_bridge.verify"]
    assert told.levelno == logging.WARNING
    assert "secret" not in told.getMessage()


def test_a_planted_wrong_learned_template_is_found_and_switched_off(
    stub: StubOpenAI,
    runtime_of: Callable[[float], Runtime],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ask = asking(stub)

    def answer(query: str) -> str:
        return ask(f"List the causes: {query}") + ask(f"List the effects: {query}")

    fast: Any = accelerate_any(answer, runtime=runtime_of(0.1))
    stub.latency = 0.03  # What takes no time is not worth learning.
    for number in range(4):
        fast(question(number))
    learned(fast)
    right = Way.call

    def wrong(self: Way, fields: Any) -> Call:
        call = right(self, fields)
        asked = call.payload
        assert isinstance(asked, LLMRequest)
        body = {**asked.fields(), "messages": [{"role": "user", "content": WRONG}]}
        return replace(call, payload=replace(asked, body=body))

    monkeypatch.setattr(Way, "call", wrong)
    verified()
    stub.latency = 0.005
    calls = until_found(fast, lambda number: fast(question(number)))
    assert calls <= 100
    stub.reset()
    assert fast(question(3)) == answer(question(3))
    assert WRONG not in {call.prompt for call in stub.calls}
    assert "handed over for another" in explain(fast).switched_off
    assert "what was learned was discarded" in str(explain(fast).learning)
    assert WRONG in caplog.text
    assert "List the effects" in caplog.text
    assert "Bearer" not in caplog.text


def until_found(fast: Any, call: Callable[[int], object]) -> int:
    """How many calls were made until a mismatch was found."""
    for number in range(100):
        call(number)
        verified()
        if stats(fast).mismatched:
            return number + 1
    raise AssertionError("nothing was found")


def test_an_original_that_asks_something_else_each_time_is_not_taken_for_wrong(
    stub: StubOpenAI,
    answerer: Answerer,
    runtime_of: Callable[[float], Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toy, "_differs", lambda obj: None)
    fast = accelerated(Ticking(stub.base_url, "stub", answerer.client), runtime_of(1.0))
    fast.ask("the time")
    verified()
    assert (stats(fast).verified, stats(fast).mismatched) == (0, 0)
    assert "the original itself does something else each time" in str(explain(fast))
    assert not explain(fast).switched_off


def test_an_object_that_is_changed_after_its_call_is_not_taken_for_wrong(
    answerer: Answerer, runtime_of: Callable[[float], Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = accelerated(answerer, runtime_of(1.0))
    offered: list[Callable[[], None]] = []

    def later(job: Callable[[], None]) -> bool:
        offered.append(job)
        return True

    monkeypatch.setattr(verifier, "submit", later)
    fast.ask("right")
    right = Answerer.body
    monkeypatch.setattr(Answerer, "body", lambda self, prompt: right(self, f"Please: {prompt}"))
    for job in offered:
        job()
    assert (len(offered), stats(fast).mismatched) == (1, 0)
    assert "it may have been changed since" in str(explain(fast))
    assert not explain(fast).switched_off


def test_without_a_share_nothing_is_drawn_and_nothing_kept(
    answerer: Answerer, runtime_of: Callable[[float], Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_verified", None)
    runtime = runtime_of(0.0)
    drawn = runtime.chance.getstate()
    fast = accelerated(answerer, runtime)
    fast.ask("anything")
    assert runtime.chance.getstate() == drawn
    assert stats(fast).hits == 2


def test_calls_that_find_two_others_waiting_are_dropped() -> None:
    waiting = Worker("waiting", MOST)
    begun, go_on = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        go_on.wait(10)

    assert waiting.submit(job)
    assert begun.wait(10)
    assert [waiting.submit(job) for _ in range(3)] == [True, True, False]
    go_on.set()
    eventually(waiting.is_idle, "the end")


@pytest.mark.parametrize("said", ["2", "-1", "often"])
def test_a_share_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYO_VERIFY", said)
    with pytest.raises(AyoBridgeError, match="share of calls from 0 to 1"):
        Runtime(measure=False)


def test_the_environment_says_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYO_VERIFY", "0.01")
    assert Runtime(measure=False).verify == 0.01
    assert Runtime(measure=False, verify=0).verify == 0
