"""Rows whose models run in a process that several share, or in Ray actors: the same answers, events
and requests."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Embedding, RayActor, Reranker, SharedProcess
from ayo_bridge.engines.registered_models import register
from ayo_bridge.engines.sentence_transformer import served_by
from ayo_bridge.profile import ProfileStore
from tests.deadline import eventually
from tests.differential import (
    langchain_parts,
    llama_index_parts,
    rows_langchain,
    rows_retrieval,
)
from tests.differential.harness import Case, EagerRuntime, Env, compare, compare_async
from tests.differential.langchain import LANGCHAIN
from tests.differential.llama_index import LLAMA_INDEX, settings
from tests.ray_cluster import cluster, end_actors

# The SDK's asynchronous clients close themselves in whatever loop runs when they are collected.
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RERANKED = [
    case
    for case in rows_retrieval.POSTPROCESSORS
    if case.name in ("postprocess-rerank-core", "postprocess-three")
]
(SEARCHED,) = [case for case in rows_langchain.ROWS if case.name == "multi-in-chain"]
Placement = SharedProcess | RayActor


def _process() -> Iterator[Placement]:
    with tempfile.TemporaryDirectory(prefix="ayo") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield SharedProcess(grace=10.0)


def _actors() -> Iterator[Placement]:
    pytest.importorskip("ray")
    with cluster() as nodes:
        yield RayActor(num_cpus=0.1, address=nodes.address)
        end_actors()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_process, id="process"),
        pytest.param(
            _actors,
            id="ray",
            marks=[pytest.mark.filterwarnings("ignore")],
        ),
    ],
)
def place(request: pytest.FixtureRequest) -> Iterator[Placement]:
    """One place for all rows: it outlives each one's runtime."""
    yield from request.param()


@pytest.fixture
def runtime(
    place: Placement, tmp_path: Path, minilm_path: Path, cross_encoder_path: Path
) -> Iterator[EagerRuntime]:
    declared = [
        Embedding(str(minilm_path), placement=place),
        Reranker(str(cross_encoder_path), placement=place),
    ]
    made = EagerRuntime(engines=declared, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@contextmanager
def sharing(runtime: EagerRuntime, *models: Any) -> Iterator[None]:
    """With models that are in their place by now, and that batches of have been run there."""
    names = [register(served_by(model), model, runtime) for model in models]
    schedulers = [runtime.scheduler(name) for name in names]
    engines = [scheduler.engine for scheduler in schedulers]
    eventually(lambda: all(engine.elsewhere for engine in engines), "the shared models", 120)
    yield
    assert all(scheduler.batched_calls for scheduler in schedulers)
    assert all(engine.elsewhere for engine in engines)


@pytest.fixture
def reranking(
    env: Env, runtime: EagerRuntime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EagerRuntime]:
    """LlamaIndex with models that are shared."""
    whole = llama_index_parts.minilm_index(str(env.fixture("minilm_path")))
    monkeypatch.setattr(llama_index_parts, "minilm_index_of", lambda env: whole)
    embedding = llama_index_parts.minilm(str(env.fixture("minilm_path")))
    reranker = rows_retrieval.reranker(env, rows_retrieval.CORE)
    with settings(), sharing(runtime, embedding._model, reranker._model):
        yield runtime


@pytest.fixture
def searching(
    env: Env, runtime: EagerRuntime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EagerRuntime]:
    """LangChain with a model that is shared: as LlamaIndex sets its own, so both have one place."""
    whole = langchain_parts.new_embeddings()
    theirs = llama_index_parts.minilm(str(env.fixture("minilm_path")))
    whole._client.prompts = dict(theirs._model.prompts)
    monkeypatch.setattr(langchain_parts, "embeddings", lambda: whole)
    with sharing(runtime, whole._client):
        yield runtime


@pytest.fixture
async def _clients() -> AsyncIterator[None]:
    yield
    await langchain_parts.close_clients()


@pytest.mark.parametrize("case", RERANKED, ids=lambda case: case.name)
def test_llama_index(case: Case, env: Env, reranking: EagerRuntime) -> None:
    compare(LLAMA_INDEX, case, "query", env, reranking).check(case, "query")


@pytest.mark.parametrize("case", RERANKED, ids=lambda case: case.name)
async def test_llama_index_async(case: Case, env: Env, reranking: EagerRuntime) -> None:
    (await compare_async(LLAMA_INDEX, case, "aquery", env, reranking)).check(case, "aquery")


def test_langchain(env: Env, searching: EagerRuntime) -> None:
    compare(LANGCHAIN, SEARCHED, "invoke", env, searching).check(SEARCHED, "invoke")


@pytest.mark.usefixtures("_clients")
async def test_langchain_async(env: Env, searching: EagerRuntime) -> None:
    (await compare_async(LANGCHAIN, SEARCHED, "ainvoke", env, searching)).check(SEARCHED, "ainvoke")
