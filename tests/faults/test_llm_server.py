"""The LLM server goes away in the middle of a query: the caller sees what the original gives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from llama_index.core.response_synthesizers import ResponseMode

from ayo_bridge import Runtime, accelerate
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import generation, streaming, tree
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]


def _refine(env: Env) -> Any:
    return parts.engine(env, ResponseMode.REFINE, top_k=3)


def _fusion(env: Env) -> Any:
    parts.answers(env.stub)
    source = parts.fusion(env, "simple", retrievers=[parts.retriever(env, top_k=2)])
    return parts.engine(env, ResponseMode.COMPACT, source=source)


BUILDS = [tree, generation, _refine, _fusion]


@pytest.mark.parametrize("build", BUILDS)
def test_it_hangs_up_in_the_middle(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    seen = []
    for fast in (False, True):
        engine = _started(build, env, runtime if fast else None)
        with _sabotaged(stub):
            seen.append(_raised(partial(engine.query, "one")))
    assert seen[0] == seen[1]
    eventually(lambda: stub.in_flight == 0, "the end of all requests", 10)
    stub.reset()
    stub.latency = 0.0
    assert str(engine.query("one")) == str(build(env).query("one"))


def _started(build: Callable[[Env], Any], env: Env, runtime: Runtime | None) -> Any:
    """An engine, accelerated on a runtime if there is one, whose calls take a minute."""
    env.stub.reset()
    env.stub.latency = 60.0
    engine = build(env)
    return engine if runtime is None else accelerate(engine, runtime=runtime)


@contextmanager
def _sabotaged(stub: StubOpenAI) -> Iterator[None]:
    saboteur = _Saboteur(stub)
    saboteur.start()
    try:
        yield
    finally:
        saboteur.end()


class _Saboteur(threading.Thread):
    """Hangs up whenever a request of the original or ahead of it is there."""

    def __init__(self, stub: StubOpenAI) -> None:
        super().__init__()
        self._stub = stub
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            if any(call.ended is None for call in self._stub.calls):
                self._stub.hang_up()

    def end(self) -> None:
        self._over.set()
        self.join()


def _raised(ask: Callable[[], Any]) -> list[str]:
    """Types and texts of an exception and its cause within the SDK; below that, which system call
    saw the end of the connection is chance."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask()
    return [f"{type(raised.value).__qualname__}: {raised.value}"]


@pytest.mark.parametrize("build", BUILDS)
async def test_it_hangs_up_in_the_middle_of_an_awaited_query(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    seen = []
    for fast in (False, True):
        engine = _started(build, env, runtime if fast else None)
        with _sabotaged(stub):
            with pytest.raises(Exception) as raised:  # noqa: PT011
                await engine.aquery("one")
            seen.append(f"{type(raised.value).__qualname__}: {raised.value}")
            await asyncio.sleep(0.1)
    assert seen[0] == seen[1]
    eventually(lambda: stub.in_flight == 0, "the end of all requests", 10)


@pytest.mark.parametrize("after", [0, 3])
def test_it_hangs_up_in_the_middle_of_a_stream(
    after: int, env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    seen = []
    for fast in (False, True):
        stub.reset()
        stub.reply_when(lambda request: request.mark is None, disconnect=after)
        engine = streaming(env)
        if fast:
            engine = accelerate(engine, runtime=runtime)
        pieces: list[str] = []

        def read(engine: Any = engine, pieces: list[str] = pieces) -> None:
            pieces.extend(engine.query("one").response_gen)

        seen.append((_raised(read), pieces))
    assert seen[0] == seen[1]


def test_it_never_answers(env: Env, stub: StubOpenAI, runtime: Runtime) -> None:
    """The time-out of the user's client holds, from when the original asks."""
    stub.latency = 60.0
    seen = []
    for fast in (False, True):
        engine = tree(env, model=parts.llm(env, timeout=0.3))
        if fast:
            engine = accelerate(engine, runtime=runtime)
        seen.append(_raised(partial(engine.query, "one")))
    assert seen[0] == seen[1]
    eventually(lambda: stub.in_flight == 0, "the end of all requests", 10)


def test_it_is_gone_before_the_query(env: Env, runtime: Runtime) -> None:
    gone = parts.llm(env, api_base="http://127.0.0.1:9/v1")
    seen = [
        _raised(lambda: tree(env, model=gone).query("one")),
        _raised(lambda: accelerate(tree(env, model=gone), runtime=runtime).query("one")),
    ]
    assert seen[0] == seen[1]
