"""What is changed after it was learned costs little, and is learned anew at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.learn.live.worker import worker
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import learned, outcomes, prompts, question
from tests.deadline import eventually
from tests.learn.changing import PROGRAMS, Settings, archive, as_json, as_lines, plans
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Change = Callable[[Settings, StubOpenAI], None]


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.01) as made:
        yield made


def a_prompt(settings: Settings, stub: StubOpenAI) -> None:
    settings.prompt = "Say whether this note is of use"


def a_greater_top_k(settings: Settings, stub: StubOpenAI) -> None:
    settings.top_k = 4


def a_store(settings: Settings, stub: StubOpenAI) -> None:
    settings.stores[0] = archive("forest", stub)


def one_tool_more(settings: Settings, stub: StubOpenAI) -> None:
    settings.tools.append("people")


def one_tool_less(settings: Settings, stub: StubOpenAI) -> None:
    settings.tools.pop()


def the_order_of_retrievers(settings: Settings, stub: StubOpenAI) -> None:
    settings.stores.reverse()


def the_format_of_answers(settings: Settings, stub: StubOpenAI) -> None:
    plans(stub, as_json)


ONE, THREE = 1, 3
CASES: list[tuple[str, Change, int]] = [
    ("function", a_prompt, ONE),
    ("engine", a_greater_top_k, THREE),
    ("chain", a_store, ONE),
    ("function", one_tool_more, THREE),
    ("engine", one_tool_less, THREE),
    ("chain", the_order_of_retrievers, ONE),
    ("function", the_format_of_answers, ONE),
]


@pytest.mark.parametrize(
    ("kind", "change", "most"), CASES, ids=[f"{kind}-{case.__name__}" for kind, case, _ in CASES]
)
def test_a_change_after_learning_costs_few_calls_and_is_learned_within_five(
    kind: str, change: Change, most: int, stub: StubOpenAI, runtime: Runtime
) -> None:
    settings = Settings([archive("harbour", stub), archive("railway", stub)])
    plans(stub, as_lines)
    original, call = PROGRAMS[kind](stub, settings)
    fast = accelerate(original, runtime=runtime)

    def asked(target: Any, number: int) -> tuple[str, Counter[str]]:
        stub.reset()
        return call(target, question(number)), prompts(stub)

    for number in range(4):
        asked(fast, number)
    learned(fast)
    change(settings, stub)
    in_vain = 0
    for number in range(10, 15):
        got, _ = asked(fast, number)
        if number < 12:
            assert got == asked(original, number)[0]
        in_vain += outcomes(fast)[Outcome.WASTED]
        eventually(worker.is_idle, "the end of learning", 20)
    assert in_vain <= most
    assert asked(fast, 20) == asked(original, 20)
    assert outcomes(fast)[Outcome.HIT] >= 2
    said = explain(fast).full()
    assert "learned from" in said
    assert "watched only" not in said
    if change is one_tool_more:
        assert "knows the people" in said
