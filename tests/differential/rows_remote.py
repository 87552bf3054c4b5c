"""LlamaIndex over embeddings behind a server."""

from __future__ import annotations

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_retrieval import RETRIEVE
from tests.stub_openai import StubOpenAI

QUERY = ("query", "aquery", "stream", "astream")


def _given(env: Env, **options: Any) -> dict[str, Any]:
    given = {"api_base": env.stub.base_url, "api_key": "key", "max_retries": 0, "timeout": 10.0}
    return {**given, **options}


def _like(env: Env, **options: Any) -> OpenAILikeEmbedding:
    return OpenAILikeEmbedding(model_name="stub-embedding", **_given(env, **options))


def _openai(env: Env) -> OpenAIEmbedding:
    options = {"encoding_format": "float", "extra_headers": {"X-User": "7"}}
    return OpenAIEmbedding(**_given(env, additional_kwargs=options), dimensions=parts.DIMENSION)


def _retriever(env: Env, model: Any = None, *, top_k: int = 4) -> VectorIndexRetriever:
    index = VectorStoreIndex(parts.nodes(), embed_model=model or _like(env))
    return VectorIndexRetriever(index, similarity_top_k=top_k)


def _fusion(env: Env, *models: Any, **options: Any) -> Any:
    retrievers = [_retriever(env, model) for model in models or (None,)]
    return parts.fusion(env, "reciprocal_rerank", retrievers=retrievers, **options)


def _refuses(stub: StubOpenAI) -> None:
    stub.reply_when(lambda request: request.path.endswith("/embeddings"), status=400)


def _refuses_written_ones(stub: StubOpenAI) -> None:
    parts.answers(stub)
    stub.reply_when(lambda request: "1." in str(request.body.get("input")), status=400)


ROWS = [
    Case("remote-vector", _retriever, entries=RETRIEVE),
    Case("remote-vector-openai", lambda env: _retriever(env, _openai(env)), entries=RETRIEVE),
    Case(
        "remote-fusion",
        _fusion,
        entries=RETRIEVE,
        ahead=RETRIEVE,
        requests=5,
        script=parts.answers,
    ),
    Case(
        "remote-fusion-openai-of-two",
        lambda env: _fusion(env, _openai(env), _like(env)),
        entries=RETRIEVE,
        ahead=RETRIEVE,
        script=parts.answers,
    ),
    Case(
        "remote-fusion-use-async",
        lambda env: _fusion(env, _like(env, reuse_client=False), use_async=True),
        entries=RETRIEVE,
        script=parts.answers,
    ),
    Case(
        "remote-fusion-engine",
        lambda env: parts.engine(env, ResponseMode.COMPACT, source=_fusion(env)),
        entries=QUERY,
        ahead=("query", "stream"),
        script=parts.answers,
    ),
    Case("remote-refused", _retriever, entries=RETRIEVE, script=_refuses),
    Case(
        "remote-fusion-refused",
        _fusion,
        entries=RETRIEVE,
        script=_refuses_written_ones,
        stops_early=True,
        only_result=("aretrieve",),
    ),
]
