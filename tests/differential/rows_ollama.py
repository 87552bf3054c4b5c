"""LlamaIndex over Ollama: its LLM and its embeddings."""

from __future__ import annotations

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.llms.ollama import Ollama

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_remote import QUERY
from tests.differential.rows_retrieval import RETRIEVE
from tests.stub_openai import StubOpenAI


def _llm(env: Env) -> Any:
    return Ollama(
        model="stub", base_url=env.stub.root_url, context_window=4096, request_timeout=10.0
    )


def _retriever(env: Env) -> VectorIndexRetriever:
    embedding = OllamaEmbedding(
        model_name="stub-embedding", base_url=env.stub.root_url, query_instruction="Query:"
    )
    index = VectorStoreIndex(parts.nodes(), embed_model=embedding)
    return VectorIndexRetriever(index, similarity_top_k=4)


def _fusion(env: Env) -> Any:
    return parts.fusion(env, "simple", retrievers=[_retriever(env)], model=_llm(env))


def _refuses(stub: StubOpenAI) -> None:
    stub.reply_when(lambda request: request.path.startswith("/api/embed"), status=500)


ROWS = [
    Case("ollama-vector", _retriever, entries=RETRIEVE),
    Case("ollama-fusion", _fusion, entries=RETRIEVE, ahead=("retrieve",), script=parts.answers),
    Case(
        "ollama-engine",
        lambda env: parts.engine(
            env, ResponseMode.TREE_SUMMARIZE, chunk=64, source=_retriever(env), model=_llm(env)
        ),
        entries=QUERY,
    ),
    Case("ollama-refused", _retriever, entries=RETRIEVE, script=_refuses),
]
