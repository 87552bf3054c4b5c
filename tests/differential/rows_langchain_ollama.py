"""LangChain over Ollama: its chat model and its embeddings."""

from __future__ import annotations

from typing import Any

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.runnables import Runnable
from langchain_ollama import ChatOllama, OllamaEmbeddings

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_langchain import ONCE, QUESTIONS
from tests.differential.rows_langchain_remote import STREAMED, store_of


def _chat(env: Env) -> ChatOllama:
    return ChatOllama(model="stub", base_url=env.stub.root_url, temperature=0.0)


def _search(env: Env) -> Any:
    embeddings = OllamaEmbeddings(model="stub-embedding", base_url=env.stub.root_url)
    return store_of(embeddings).as_retriever(search_kwargs={"k": 3})


def _chain(env: Env) -> Runnable[Any, Any]:
    return parts.rag(_search(env), _chat(env))


def _multi(env: Env) -> Runnable[Any, Any]:
    return MultiQueryRetriever.from_llm(_search(env), _chat(env))


ROWS = [
    Case("ollama-chain", _chain, queries=QUESTIONS, entries=STREAMED, script=parts.writes_queries),
    Case(
        "ollama-multi",
        _multi,
        queries=QUESTIONS,
        entries=ONCE,
        ahead=("invoke",),
        script=parts.writes_queries,
    ),
]
