"""Rows whose models run in a process that several share: the same answers, events and requests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Embedding, Reranker, SharedProcess
from ayo_bridge.engines.registered_models import register
from ayo_bridge.engines.sentence_transformer import served_by
from ayo_bridge.profile import ProfileStore
from ayo_bridge.schedule import EngineScheduler
from tests.deadline import eventually
from tests.differential import (
    langchain_parts,
    llama_index_parts,
    rows_langchain,
    rows_retrieval,
)
from tests.differential.harness import EagerRuntime, Env, compare
from tests.differential.langchain import LANGCHAIN
from tests.differential.llama_index import LLAMA_INDEX, settings

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def place() -> Iterator[SharedProcess]:
    """One process for all rows: it outlives each one's runtime."""
    with tempfile.TemporaryDirectory(prefix="ayo") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield SharedProcess(grace=10.0)


@pytest.fixture
def runtime(
    place: SharedProcess, tmp_path: Path, minilm_path: Path, cross_encoder_path: Path
) -> Iterator[EagerRuntime]:
    declared = [
        Embedding(str(minilm_path), placement=place),
        Reranker(str(cross_encoder_path), placement=place),
    ]
    made = EagerRuntime(engines=declared, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def sharing(runtime: EagerRuntime, *models: Any) -> list[EngineScheduler]:
    """The schedulers of models, each of which is in its process by now."""
    names = [register(served_by(model), model, runtime) for model in models]
    schedulers = [runtime.scheduler(name) for name in names]
    engines = [scheduler.engine for scheduler in schedulers]
    eventually(lambda: all(engine.elsewhere for engine in engines), "the shared models", 120)
    return schedulers


@pytest.mark.parametrize("name", ["postprocess-rerank-core", "postprocess-three"])
def test_llama_index_with_models_that_are_shared(
    name: str, env: Env, runtime: EagerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = llama_index_parts.minilm_index(str(env.fixture("minilm_path")))
    monkeypatch.setattr(llama_index_parts, "minilm_index_of", lambda env: whole)
    case = next(case for case in rows_retrieval.POSTPROCESSORS if case.name == name)
    embedding = llama_index_parts.minilm(str(env.fixture("minilm_path")))
    reranker = rows_retrieval.reranker(env, rows_retrieval.CORE)
    schedulers = sharing(runtime, embedding._model, reranker._model)
    with settings():
        compare(LLAMA_INDEX, case, "query", env, runtime).check(case, "query")
    assert all(scheduler.batched_calls for scheduler in schedulers)
    assert all(scheduler.engine.elsewhere for scheduler in schedulers)


def test_langchain_with_models_that_are_shared(
    env: Env, runtime: EagerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = langchain_parts.new_embeddings()
    monkeypatch.setattr(langchain_parts, "embeddings", lambda: whole)
    case = next(case for case in rows_langchain.ROWS if case.name == "multi-in-chain")
    (scheduler,) = sharing(runtime, langchain_parts.embeddings()._client)
    compare(LANGCHAIN, case, "invoke", env, runtime).check(case, "invoke")
    assert scheduler.batched_calls
    assert scheduler.engine.elsewhere
