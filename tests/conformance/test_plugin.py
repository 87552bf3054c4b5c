"""The plugin of the conformance tests does what it says, and the runner finds what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.runnables import Runnable, RunnableLambda

from ayo_bridge.lift.subclass import state_of
from tests.conformance.accelerating import Accelerated, installed
from tests.conformance.run import only_accelerated
from tests.conformance.sources import LOCK, locked_version
from tests.conformance.suites import SUITES


@pytest.fixture
def accelerated() -> Iterator[Accelerated]:
    with installed(all_callers=False) as made:
        yield made


def test_a_call_that_a_test_looks_up_is_the_accelerated_objects(accelerated: Accelerated) -> None:
    chain = RunnableLambda(str.upper) | RunnableLambda(str.strip)
    assert state_of(chain.invoke.__self__) is not None  # type: ignore[attr-defined]
    assert chain.invoke(" a ") == "A"
    assert accelerated.calls == {"invoke": 2}


def test_calls_of_runnables_by_runnables_stay_as_they_are(accelerated: Accelerated) -> None:
    (RunnableLambda(str.upper) | RunnableLambda(str.strip)).batch(["a", "b"])
    assert accelerated.calls == {"batch": 1}


def test_objects_keep_their_identity_and_what_calls_write_into_them(
    accelerated: Accelerated,
) -> None:
    llm = FakeListLLM(responses=["one", "two", "three"])
    assert state_of(llm) is None
    assert [llm.invoke("x"), llm.invoke("x")] == ["one", "two"]
    assert llm.i == 2
    assert llm == FakeListLLM(responses=["one", "two", "three"], i=2)


def test_what_runnables_call_can_be_accelerated_too() -> None:
    with installed(all_callers=True) as made:
        (RunnableLambda(str.upper) | RunnableLambda(str.strip)).invoke("a")
    assert made.calls["invoke"] == 3


def test_nothing_stays_behind() -> None:
    chain = RunnableLambda(str.upper)
    before = Runnable.__getattribute__
    with installed(all_callers=True):
        assert Runnable.__getattribute__ is not before
    assert state_of(chain.invoke.__self__) is None  # type: ignore[attr-defined]


def test_only_a_test_that_passes_as_it_is_can_fail_by_our_doing() -> None:
    original = {"a": "passed", "b": "failed", "c": "passed", "d": "passed", "e": "skipped"}
    accelerated = {"a": "passed", "b": "failed", "c": "failed", "e": "failed"}
    assert only_accelerated(original, accelerated) == ["c", "d"]


def test_versions_are_those_of_the_lock() -> None:
    lock = LOCK.read_text("utf-8")
    assert locked_version("langchain-core", "langchain-core-extra==9\nlangchain-core==1.2.3\n") == (
        "1.2.3"
    )
    assert all(locked_version(suite.distribution, lock) for suite in SUITES[:2])
