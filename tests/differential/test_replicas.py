"""Two replicas instead of one server: the same answers, and the same requests, each as often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge import LLM, Embedding, Reranker, Runtime
from tests.differential import rows_engines, rows_errors, rows_remote, rows_synthesis
from tests.differential.harness import (
    Case,
    Env,
    compare,
    compare_async,
    parameters,
    runtime_for,
)
from tests.differential.llama_index import LLAMA_INDEX, settings
from tests.stub_openai import StubOpenAI
from tests.stub_openai.connection import Connection
from tests.stub_openai.requests import StubRequest

_NAMES = frozenset(
    {
        *("refine-chat", "tree-levels-chat", "one-fails-tree_summarize"),
        *("remote-fusion", "tei-rerank-engine-httpx"),  # Embedding models and rerankers.
    }
)
_FROM = (rows_synthesis, rows_errors, rows_remote, rows_engines)
ROWS = [case for rows in _FROM for case in rows.ROWS if case.name in _NAMES]
assert len(ROWS) == len(_NAMES)

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Iterator[None]:
    with settings():
        yield


class Twin(StubOpenAI):
    """Follows the scripts of another stub, and notes requests with it, as if they came there."""

    def __init__(self, first: StubOpenAI) -> None:
        super().__init__(latency=first.latency)
        self.requests, self._scripts = first.requests, first._scripts
        self._as = first.root_url.removeprefix("http://")

    def respond(self, request: StubRequest, connection: Connection) -> None:
        request.headers["host"] = self._as
        super().respond(request, connection)


@pytest.fixture(scope="module")
def second(differential_stub: StubOpenAI) -> Iterator[StubOpenAI]:
    with Twin(differential_stub) as stub:
        yield stub


@pytest.fixture
def runtime(
    request: pytest.FixtureRequest, tmp_path: Path, env: Env, second: StubOpenAI
) -> Iterator[Runtime]:
    case: Case = request.node.callspec.params["case"]
    urls = [env.stub.base_url, second.base_url]
    models = [Embedding("stub-embedding", urls=urls), Reranker("any", urls=urls)]
    made = runtime_for(case, tmp_path, engines=[LLM("stub", urls), *models])
    yield made
    made.close()


@pytest.mark.parametrize(("case", "entry"), parameters(LLAMA_INDEX, ROWS, concurrent=False))
def test_sync(case: Case, entry: str, env: Env, runtime: Runtime, second: StubOpenAI) -> None:
    env.streaming = LLAMA_INDEX.entries[entry].streaming
    before = second.served
    compare(LLAMA_INDEX, case, entry, env, runtime).check(case, entry)
    assert second.served > before, "all went to one replica"


@pytest.mark.parametrize(("case", "entry"), parameters(LLAMA_INDEX, ROWS, concurrent=True))
async def test_async(
    case: Case, entry: str, env: Env, runtime: Runtime, second: StubOpenAI
) -> None:
    env.streaming = LLAMA_INDEX.entries[entry].streaming
    before = second.served
    (await compare_async(LLAMA_INDEX, case, entry, env, runtime)).check(case, entry)
    assert second.served > before, "all went to one replica"
