"""Calls that the original makes only if somebody reads, and calls after an error."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import generation, tree
from tests.stub_openai import StubOpenAI, faults

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _refine(env: Env) -> Any:
    return parts.engine(env, "refine", chunk=64, top_k=4)


def _calls(stub: StubOpenAI, ask: Callable[[], Any]) -> int:
    """How many a question costs, a while after it has been asked."""
    stub.requests.clear()
    ask()
    gc.collect()
    time.sleep(0.1)
    return len(stub.calls)


@pytest.mark.parametrize("mode", ["generation", "simple_summarize", "compact", "tree_summarize"])
def test_a_stream_that_nobody_reads(
    mode: str, env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    env.streaming = True
    plain: Any = parts.engine(env, mode, top_k=1)
    fast: Any = accelerate(parts.engine(env, mode, top_k=1), runtime=runtime)
    for engine in (plain, fast):
        list(engine.query("warm up").response_gen)

    def dropped(engine: Any) -> Callable[[], Any]:
        return lambda: engine.query("one") and None

    assert _calls(stub, dropped(fast)) == _calls(stub, dropped(plain))


@pytest.mark.parametrize("build", [tree, generation, _refine])
def test_after_an_error_nothing_more_is_sent(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    """What has been sent ahead until then may be there, but nothing that comes after it."""
    stub.latency = 0.05
    plain, fast = build(env), accelerate(build(env), runtime=runtime)
    whole = _calls(stub, lambda: plain.query("one"))
    fast.query("one")
    faults.every(status=500)(stub)

    def failing(engine: Any) -> Callable[[], None]:
        def ask() -> None:
            with pytest.raises(Exception, match="500"):
                engine.query("one")

        return ask

    as_it_is = _calls(stub, failing(plain))
    ahead = _calls(stub, failing(fast))
    ended = min(call.ended or 0.0 for call in stub.calls)
    late = [call for call in stub.calls if call.arrived > ended]
    assert ahead <= whole + as_it_is
    assert len(late) <= as_it_is
