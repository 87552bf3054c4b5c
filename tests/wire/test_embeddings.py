"""Requests for embeddings are those of the original, however their model is set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever
from llama_index.embeddings.openai_like import OpenAILikeEmbedding

from ayo_bridge import Runtime
from ayo_bridge.profile import ProfileStore
from tests.differential.llama_index_parts import nodes
from tests.learning_fixtures import leaves_no_garbage
from tests.wire import sending
from tests.wire.sending import KEY, Setting, World, address_of, differences, run
from tests.wire.settings import HTTP_CLIENTS

__all__ = ["leaves_no_garbage"]
pytestmark = [
    pytest.mark.usefixtures("leaves_no_garbage"),  # Of clients that are made for each call.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]
_PROXIED = ("http client with a proxy", "http client with hooks", "http client with cookies")


def _models(world: World, **options: Any) -> tuple[Any, Any]:
    """An LLM, and the embedding model in question."""
    given = {"api_base": world.server.base_url, "api_key": KEY, "max_retries": 0, "timeout": 10.0}
    embedding: Any = OpenAILikeEmbedding(model_name="stub-embedding", **{**given, **options})
    world.llama.append(embedding)  # It has the same clients, which are closed with the others.
    return world.like(), embedding


def _application(models: tuple[Any, Any]) -> RetrieverQueryEngine:
    llm, embedding = models
    index = VectorStoreIndex(nodes(), embed_model=embedding)
    retriever = QueryFusionRetriever(
        [VectorIndexRetriever(index, similarity_top_k=2)],
        llm=llm,
        num_queries=4,
        similarity_top_k=2,
        use_async=False,
    )
    synthesizer = get_response_synthesizer(llm=llm, response_mode="compact")  # type: ignore[arg-type]
    return RetrieverQueryEngine(retriever, synthesizer)


def _indexing(models: tuple[Any, Any]) -> Any:
    """A function that embeds one batch after the other."""
    _, embedding = models
    embedding.embed_batch_size = 2

    def index(question: str) -> Any:
        return VectorStoreIndex(nodes(embedded=False), embed_model=embedding).vector_store.to_dict()

    return index


def _with(**options: Any) -> Any:
    return lambda world: _models(world, **options)


def _with_http(name: str) -> Any:
    def models(world: World) -> tuple[Any, Any]:
        one, two = HTTP_CLIENTS[name](world)
        return _models(world, http_client=one, async_http_client=two)

    return models


def _changed(**fields: Any) -> Any:
    def change(world: World, models: tuple[Any, Any]) -> None:
        for name, value in fields.items():
            setattr(models[1], name, value)

    return change


def _other_header(world: World, models: tuple[Any, Any]) -> None:
    for client in (models[1]._http_client, models[1]._async_http_client):
        client.headers["X-Tenant"] = "b"


_AWAITED = ("plain", "a client for each call", "default headers")
"""What the asynchronous client has of its own; the rest is made as that of the other."""
_PROXY: Mapping[str, str] = {"HTTP_PROXY": "http://{other}"}
SETTINGS = [
    Setting("plain", _with()),
    Setting("a client for each call", _with(reuse_client=False)),
    Setting("default headers", _with(default_headers={"X-Tenant": "a", "x-b": "2"})),
    Setting("a proxy", _with(), environment=_PROXY),
    Setting("another key, client kept", _with(), change=_changed(api_key="sk-2")),
    Setting("another key", _with(reuse_client=False), change=_changed(api_key="sk-2")),
    Setting("other arguments", _with(), change=_changed(additional_kwargs={"user": "u"})),
    Setting("a header later", _with_http("http client with headers"), change=_other_header),
    *(Setting(name, _with_http(name)) for name in _PROXIED),
]


@pytest.fixture(autouse=True)
def _application_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(sending, "APPS", {"embedded": _application, "indexed": _indexing})


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("setting", "concurrent"),
    [
        pytest.param(setting, concurrent, id=f"{setting.name}-{kind}")
        for setting in SETTINGS
        for concurrent, kind in ((False, "sync"), (True, "async"))
        if not concurrent or setting.name in _AWAITED
    ],
)
def test_what_is_sent(
    setting: Setting, concurrent: bool, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in setting.environment.items():
        monkeypatch.setenv(name, value.format(other=address_of("other")))
    original = run(setting, "embedded", None, concurrent=concurrent)
    fast = run(setting, "embedded", runtime, concurrent=concurrent)
    assert any(sent.line.endswith("/embeddings") for sent in original.requests)
    assert differences(original, fast) == []


@pytest.mark.parametrize(
    "setting",
    [each for each in SETTINGS if each.name in ("plain", "another key", "a header later")],
    ids=lambda setting: setting.name,
)
def test_what_is_sent_for_batches_of_texts(setting: Setting, runtime: Runtime) -> None:
    original = run(setting, "indexed", None, concurrent=False)
    fast = run(setting, "indexed", runtime, concurrent=False)
    assert len(original.requests) > 4
    assert differences(original, fast) == []
