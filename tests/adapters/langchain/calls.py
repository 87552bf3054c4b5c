"""One call of a runnable, seen and compared as the differential tests do it."""

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable

from ayo_bridge import explain
from tests.differential.harness import (
    TOLERANCE,
    Env,
    Outcome,
    observe,
    observe_async,
    outcome_difference,
)
from tests.differential.langchain import LANGCHAIN, Ask, in_threads
from tests.stub_openai import StubOpenAI

QUESTION = "what of rivers?"


async def made(
    runnable: Runnable[Any, Any],
    entry: str,
    stub: StubOpenAI,
    handlers: tuple[BaseCallbackHandler, ...] = (),
) -> Outcome:
    """Call a runnable through one of the entries of the differential tests."""
    way = LANGCHAIN.entries[entry]
    env, ask = Env(stub, _no_fixture), Ask(QUESTION, handlers=handlers)
    if way.concurrent:
        return await observe_async(env, LANGCHAIN, runnable, way, ask)
    return observe(env, LANGCHAIN, runnable, way, ask)


def _no_fixture(name: str) -> Any:
    raise LookupError(f"nothing is built here that would want the fixture {name!r}")


def assert_same(original: Outcome, accelerated: Outcome) -> None:
    """All that was seen is the same."""
    found = outcome_difference(original, original, accelerated, TOLERANCE, in_threads=in_threads)
    assert found is None, found


def assert_mapped(accelerated: Runnable[Any, Any], requests: int) -> None:
    """Every request of the last call belongs to a primitive of its graph."""
    shown: Any = explain(accelerated).json()
    known = {primitive["id"] for primitive in shown["e_graph"]["primitives"]}
    calls = [call for call in shown["calls"] if call["engine"].startswith("llm:")]
    assert len(calls) == requests
    assert {call["primitive"] for call in shown["calls"]} <= known
    assert not [call for call in shown["calls"] if call["primitive"].startswith("opaque")]
