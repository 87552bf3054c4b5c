"""What modules are made of in the arms: the program's own clients, on their way through queues.

An engine is asked where it always is: an LLM over HTTP at its server, an embedding model by
LlamaIndex's methods. In between stands the queue, which all modules of all queries share.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Final, cast

import httpx
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from pydantic import PrivateAttr

from benchmarks.apps import engines
from benchmarks.apps.arms.engines import PAIR, QUERY, TEXT
from benchmarks.apps.arms.places import THREADS, Handle
from benchmarks.apps.modules import EMBEDDING, LLM, RERANKER
from benchmarks.apps.settings import Settings

CHARACTERS: Final = 4
"""Of a token, about."""
MOST_TEXTS: Final = 2048
"""The most that LlamaIndex embeds at once: a module asks for all its texts in one bundle."""

_calls = itertools.count()
_asking: contextvars.ContextVar[object] = contextvars.ContextVar("asking")


@contextmanager
def asking(invocation: object) -> Iterator[None]:
    """What is asked inside of the block belongs to this invocation of a module."""
    token = _asking.set(invocation)
    try:
        yield
    finally:
        _asking.reset(token)


def asked_by() -> object:
    """The invocation that asks, or one of its own."""
    return _asking.get(None) or ("alone", next(_calls))


class Engines:
    """Stands where :mod:`benchmarks.apps.engines` does; what is no engine is taken from there."""

    def __init__(self, started: Mapping[str, Handle]) -> None:
        self._started = started
        self._ways: list[Admitted] = []

    def llm(self, settings: Settings, **sizes: Any) -> Any:
        """The program's own client, whose calls wait to be admitted."""
        llm = engines.llm(settings, **sizes)
        if LLM in self._started:
            transport = self._way(self._started[LLM])
            self._ways.append(transport)
            llm._http_client = httpx.Client(transport=transport)
            llm._async_http_client = httpx.AsyncClient(transport=transport)
        return llm

    def _way(self, door: Handle) -> Admitted:
        return Admitted(door)

    def embedding(self, settings: Settings, **batches: Any) -> Any:
        """A model whose texts go to the engine, as many as there are."""
        return _QueuedEmbedding(self._started.get(EMBEDDING))

    def reranker(self, settings: Settings, *, top_n: int) -> Any:
        """A postprocessor whose pairs go to the engine."""
        return _QueuedRerank(self._started.get(RERANKER), top_n)

    def __getattr__(self, name: str) -> Any:
        return getattr(engines, name)

    def close(self) -> None:
        """Close what was made."""
        for way in self._ways:
            way.close()


class Admitted(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The way to an LLM's server, through its door.

    Awaited calls are made in threads: LlamaIndex runs the calls of one level of a tree on a loop of
    their own, and connections outlive it.
    """

    def __init__(self, door: Handle) -> None:
        self._door = door
        self._within = httpx.HTTPTransport(limits=httpx.Limits(max_connections=None))
        self._threads = ThreadPoolExecutor(THREADS, "llm")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        held = _tokens(request.read())
        ticket = self._door.call("enter", asked_by(), held).get()
        try:
            response = self._within.handle_request(request)
            with closing(response):
                raw = b"".join(cast(httpx.SyncByteStream, response.stream))
        finally:
            self._door.call("leave", ticket)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(raw)
        )

    def close(self) -> None:
        self._within.close()
        self._threads.shutdown(wait=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        same = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=content,
            extensions=request.extensions,
        )
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        return await loop.run_in_executor(self._threads, context.run, self.handle_request, same)


def _tokens(body: bytes) -> int:
    """What a request will hold of the KV cache, about."""
    said = json.loads(body or b"{}")
    prompt = said.get("prompt") or [each.get("content") or "" for each in said.get("messages", ())]
    return len(str(prompt)) // CHARACTERS + int(said.get("max_tokens") or 0)


class _QueuedEmbedding(BaseEmbedding):
    """An embedding model behind its engine's queue."""

    _engine: Any = PrivateAttr()

    def __init__(self, engine: Handle | None) -> None:
        super().__init__(model_name=EMBEDDING, embed_batch_size=MOST_TEXTS)
        self._engine = engine

    def _ask(self, how: str, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self._engine.call("serve", asked_by(), how, texts).get()
        return found

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._ask(QUERY, [query])[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._ask(TEXT, [text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._ask(TEXT, texts)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class _QueuedRerank(BaseNodePostprocessor):
    """A reranker behind its engine's queue."""

    _top_n: int = PrivateAttr()
    _engine: Any = PrivateAttr()

    def __init__(self, engine: Handle | None, top_n: int) -> None:
        super().__init__()
        self._top_n, self._engine = top_n, engine

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None, "a reranker needs a question"
        asked = query_bundle.query_str
        pairs = [(asked, each.node.get_content(MetadataMode.EMBED)) for each in nodes]
        scores = self._engine.call("serve", asked_by(), PAIR, pairs).get()
        scored = [NodeWithScore(node=n.node, score=s) for n, s in zip(nodes, scores, strict=True)]
        return sorted(scored, key=lambda each: -(each.score or 0.0))[: self._top_n]


__all__ = ["Admitted", "Engines", "asked_by", "asking"]
