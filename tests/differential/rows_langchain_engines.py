"""LangChain over engines that are asked by plain HTTP: rerankers, scores, TEI, Infinity, Ollama.

The classes for Infinity, Jina and Ollama are LangChain's own, over requests, aiohttp and httpx; the
others are what users write.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import aiohttp
import requests
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_ollama import OllamaEmbeddings, OllamaLLM

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_langchain import ONCE, QUESTIONS
from tests.differential.rows_langchain_remote import STREAMED, store_of
from tests.stub_openai import StubOpenAI

with warnings.catch_warnings():  # That the package is being sunset.
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.document_compressors import jina_rerank
    from langchain_community.embeddings.infinity import InfinityEmbeddings


class TeiEmbeddings(Embeddings):
    """Text-embeddings-inference, asked over requests and aiohttp by a client a call."""

    def __init__(self, url: str) -> None:
        self._url = url

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        reply = requests.post(f"{self._url}/embed", json={"inputs": texts}, timeout=10)
        reply.raise_for_status()
        vectors: list[list[float]] = reply.json()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        session = aiohttp.ClientSession(raise_for_status=True)
        async with session, session.post(f"{self._url}/embed", json={"inputs": texts}) as reply:
            vectors: list[list[float]] = await reply.json()
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]


class Scored(BaseDocumentCompressor):
    """The best documents by the scores of vLLM."""

    url: str

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        body = {
            "model": "stub",
            "text_1": query,
            "text_2": [document.page_content for document in documents],
        }
        reply = requests.post(f"{self.url}/score", json=body, timeout=10)
        reply.raise_for_status()
        scored = sorted(reply.json()["data"], key=lambda each: -each["score"])
        return [documents[each["index"]] for each in scored[:2]]


def _search(env: Env, model: Embeddings | None = None) -> Any:
    model = model or TeiEmbeddings(env.stub.root_url)
    return store_of(model).as_retriever(search_kwargs={"k": 3})


def _infinity(env: Env) -> InfinityEmbeddings:
    return InfinityEmbeddings(model="stub-embedding", infinity_api_url=env.stub.base_url)


def _ranked(env: Env, by: BaseDocumentCompressor | None = None) -> Runnable[Any, Any]:
    url = f"{env.stub.base_url}/rerank"
    env.fixture("monkeypatch").setattr(jina_rerank, "JINA_API_URL", url)
    by = by or jina_rerank.JinaRerank(jina_api_key="key", top_n=2)
    return ContextualCompressionRetriever(base_compressor=by, base_retriever=_search(env))


def _chain(env: Env, search: Any) -> Runnable[Any, Any]:
    return parts.rag(search, parts.chat(env.stub.base_url))


def _generated(env: Env) -> Runnable[Any, Any]:
    model = OllamaLLM(model="stub", base_url=env.stub.root_url)
    return PromptTemplate.from_template("Answer {question}") | model


def _ollama(env: Env) -> OllamaEmbeddings:
    return OllamaEmbeddings(model="stub-embedding", base_url=env.stub.root_url)


def _refuses(path: str) -> Any:
    def script(stub: StubOpenAI) -> None:
        stub.reply_when(lambda request: request.path.endswith(path), status=503)

    return script


def _slowly(stub: StubOpenAI) -> None:
    """What takes no time has nothing to gain."""
    stub.reply_when(lambda request: True, latency=0.02)


def _by_turns(env: Env) -> Runnable[Any, Any]:
    """Asks one engine after the other, and none for what another has said."""
    tei, infinity = TeiEmbeddings(env.stub.root_url), _infinity(env)
    scored, documents = Scored(url=env.stub.root_url), parts.texts()[:3]

    def asked(question: str) -> str:
        vectors = [tei.embed_query(question), infinity.embed_query(f"not {question}")]
        best = scored.compress_documents(documents, question)
        return f"{vectors} {[each.page_content for each in best]}"

    async def awaited(question: str) -> str:
        first = await tei.aembed_query(question)
        second = await infinity.aembed_query(f"not {question}")
        return f"{first} {second} {await tei.aembed_query(f'never {question}')}"

    return RunnableLambda(asked, awaited)


ROWS = [
    *(
        Case(f"{name}-chain", build, queries=QUESTIONS, entries=STREAMED)
        for name, build in {
            "tei": lambda env: _chain(env, _search(env)),
            "infinity": lambda env: _chain(env, _search(env, _infinity(env))),
            "rerank": lambda env: _chain(env, _ranked(env)),
            "score": lambda env: _chain(env, _ranked(env, Scored(url=env.stub.root_url))),
            "ollama-embed": lambda env: _chain(env, _search(env, _ollama(env))),
            "ollama-generate": _generated,
        }.items()
    ),
    Case("tei-refused", _search, queries=QUESTIONS, entries=ONCE, script=_refuses("/embed")),
    Case("rerank-refused", _ranked, queries=QUESTIONS, entries=ONCE, script=_refuses("/rerank")),
    Case(
        "engines-by-turns",
        _by_turns,
        queries=QUESTIONS,
        entries=ONCE,
        ahead=ONCE,
        script=_slowly,
        learned=True,
    ),
]
