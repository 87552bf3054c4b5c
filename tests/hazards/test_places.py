"""Where a query may be made: in a running loop, in small pools, in many threads, after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever, VectorIndexRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.seam import Call
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import generation, tree
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[2]


async def test_sync_query_inside_a_running_loop(env: Env, runtime: Runtime) -> None:
    fast = accelerate(tree(env), runtime=runtime)
    assert str(fast.query("one")) == str(tree(env).query("one"))
    assert stats(fast).hits


FORK = """
import os, sys
from tests.conftest import _set_environment
from ayo_bridge import accelerate, stats
from tests.differential.harness import EagerRuntime, Env
from tests.hazards.engines import tree

class Stub:
    base_url = sys.argv[1]

runtime = EagerRuntime()
fast = accelerate(tree(Env(Stub, None)), runtime=runtime)
before = str(fast.query("one"))
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    status = 1
    try:
        answer = str(fast.query("one"))
        os.write(writing, f"{answer}|{stats(fast).hits}".encode())
        status = 0
    finally:
        os._exit(status)
after = str(fast.query("one"))
_, status = os.waitpid(child, 0)
answer, hits = os.read(reading, 10000).decode().split("|")
assert status == 0 and before == after == answer, (before, after, answer)
assert int(hits) > stats(fast).hits / 2 > 0, (hits, stats(fast).hits)
runtime.close()
print(answer)
"""


def test_after_a_fork_both_processes_go_on(env: Env, stub: StubOpenAI) -> None:
    """The user's own client is the same object in both: it must not keep connections."""
    stub.extra_headers = [("connection", "close")]
    try:
        path = os.pathsep.join(
            [str(ROOT), str(ROOT / "adapters"), os.environ.get("PYTHONPATH", "")]
        )
        done = subprocess.run(
            [sys.executable, "-c", FORK, stub.base_url],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    finally:
        stub.extra_headers = []
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tree(env).query("one"))


class Asking(BaseRetriever):
    """Retrieves what another engine answers."""

    def __init__(self, engine: Any) -> None:
        super().__init__()
        self._engine = engine

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        answer = str(self._engine.query(query_bundle.query_str))
        return [NodeWithScore(node=TextNode(id_="answer", text=answer), score=1.0)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("tool", [False, True])
def test_a_nested_engine_in_a_small_pool(
    threads: int, tool: bool, env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 0.01

    def outer(inner: Any) -> Any:
        if tool:
            inner = QueryEngineTool.from_defaults(inner).query_engine
        return RetrieverQueryEngine(Asking(inner), parts.synthesizer(env, "tree_summarize"))

    expected = str(outer(tree(env)).query("one"))
    fast = accelerate(outer(accelerate(tree(env), runtime=runtime)), runtime=runtime)
    with ThreadPoolExecutor(threads) as pool:
        answers = [pool.submit(fast.query, "one") for _ in range(4)]
        assert [str(answer.result(20)) for answer in answers] == [expected] * 4


@pytest.mark.parametrize("threads", [1, 2])
def test_engines_of_two_runtimes_in_each_other(
    threads: int, env: Env, runtime: Runtime, default: Runtime
) -> None:
    def outer(inner: Any) -> Any:
        return RetrieverQueryEngine(Asking(inner), parts.synthesizer(env, "tree_summarize"))

    expected = str(outer(tree(env)).query("one"))
    fast = accelerate(outer(accelerate(tree(env), runtime=default)), runtime=runtime)
    with ThreadPoolExecutor(threads) as pool:
        answers = [pool.submit(fast.query, "one") for _ in range(2)]
        assert [str(answer.result(20)) for answer in answers] == [expected] * 2


WORDS = ("one", "two", "three", "four", "five", "six")


def test_many_threads_share_batches(env: Env, runtime: Runtime) -> None:
    """Queries that come while the model is busy share its next batches."""
    index = parts.minilm_index_of(env)
    texts = [f"who wrote note {word} down" for word in WORDS]
    questions = [texts[number % len(texts)] for number in range(16)]
    plain = VectorIndexRetriever(index, similarity_top_k=4)
    expected = [plain.retrieve(question) for question in questions]
    fast = accelerate(plain, runtime=runtime)
    (embedding,) = (s for s in runtime.schedulers if s.engine.name.startswith("embedding"))
    go_on = threading.Event()
    nothing = Call(embedding.engine.name, "nothing", None, group="busy")
    instances = embedding.engine.limits.instances
    busy = [
        threading.Thread(target=lambda: embedding.run_here(nothing, lambda: go_on.wait(20)))
        for _ in range(instances)
    ]
    for thread in busy:
        thread.start()
    try:
        eventually(lambda: embedding.running == instances, "the model's being busy")
        with ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(fast.retrieve, question) for question in questions]
            eventually(lambda: embedding.depth == 16, "the queue")
            go_on.set()
            found = [one.result(20) for one in asked]
    finally:
        go_on.set()
        for thread in busy:
            thread.join()
    for one, two in zip(expected, found, strict=True):
        assert [node.node_id for node in one] == [node.node_id for node in two]
        assert [node.score for node in one] == pytest.approx([node.score for node in two], abs=1e-6)
    assert stats(fast).mean_fused_batch > 1
    assert stats(fast).calls == 16


def test_many_threads_over_one_engine(env: Env, runtime: Runtime) -> None:
    questions = [f"question {number % 5}" for number in range(40)]
    plain = tree(env)
    expected = {question: str(plain.query(question)) for question in set(questions)}
    start = len(env.stub.calls)
    for question in questions:
        plain.query(question)
    sent = sorted(call.raw for call in env.stub.calls[start:])
    fast = accelerate(tree(env), runtime=runtime)
    start = len(env.stub.calls)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: str(fast.query(text)), questions))
    assert answers == [expected[question] for question in questions]
    assert len(env.stub.calls) - start == len(sent)
    assert stats(fast).calls == 40


def test_two_engines_that_share_everything(env: Env, runtime: Runtime) -> None:
    plain = tree(env)
    expected = [str(plain.query(text)) for text in ("one", "two")]
    one, two = accelerate(plain, runtime=runtime), accelerate(plain, runtime=runtime)
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            asked = pool.submit(one.query, "one"), pool.submit(two.query, "two")
            assert [str(answer.result(20)) for answer in asked] == expected
    assert [str(one.query("two")), str(two.query("one"))] == expected[::-1]
    assert stats(one).calls == stats(two).calls == 4


def test_original_and_accelerated_at_once(env: Env, runtime: Runtime) -> None:
    plain = generation(env)
    fast = accelerate(plain, runtime=runtime)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit((plain, fast)[number % 2].query, "one") for number in range(24)]
        assert len({str(answer.result(20)) for answer in asked}) == 1
    assert stats(fast).calls == 12
    assert len(env.stub.calls) == 24
