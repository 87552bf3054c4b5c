"""The columns: how an application is built over a server, and the ways to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from llama_index.core import VectorStoreIndex
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever
from llama_index.llms.openai_like import OpenAILike

from tests.differential import langchain_parts
from tests.differential.llama_index_parts import TEXTS, mock_embedding, nodes

NOTES = 4
"""As many calls a fan-out makes; a wide one makes twice as many."""


@dataclass(frozen=True)
class Client:
    """How the application reaches its server."""

    url: str
    timeout: float = 10.0
    retries: int = 0
    streaming: bool = False


@dataclass
class App:
    """An application; ``aclose`` ends its clients, on the loop that they were used on."""

    obj: Any
    model: Any

    async def aclose(self) -> None:
        if isinstance(self.model, OpenAILike):
            if self.model._client is not None:
                self.model._client.close()
            if self.model._aclient is not None:
                await self.model._aclient.close()
        else:
            await langchain_parts.close_clients()


@dataclass(frozen=True)
class Entry:
    """A column: ``ask`` gives what the caller sees, in plain values."""

    name: str
    build: Callable[[Client], App]
    ask: Callable[[Any, str], Any]
    streaming: bool = False
    concurrent: bool = False
    """Whether ``ask`` is a coroutine function."""
    wide: bool = False
    """For rows that name it only: it costs twice as much."""


# LlamaIndex.


@lru_cache(maxsize=1)
def _index() -> VectorStoreIndex:
    return VectorStoreIndex(nodes(TEXTS[: 2 * NOTES]), embed_model=mock_embedding())


def _model(client: Client) -> OpenAILike:
    return OpenAILike(
        model="stub",
        api_base=client.url,
        api_key="key",
        is_chat_model=True,
        max_tokens=32,
        temperature=0.0,
        max_retries=client.retries,
        timeout=client.timeout,
    )


def _engine(model: OpenAILike, mode: str, source: Any, *, streaming: bool = False) -> Any:
    helper = PromptHelper(
        context_window=3900, num_output=32, chunk_overlap_ratio=0.0, chunk_size_limit=64
    )
    synthesizer = get_response_synthesizer(
        llm=model,
        response_mode=mode,  # type: ignore[arg-type]
        streaming=streaming,
        prompt_helper=helper,
    )
    return RetrieverQueryEngine(source, synthesizer)


def synthesis(model: OpenAILike, mode: str, *, notes: int = NOTES, streaming: bool = False) -> Any:
    """An engine that answers from so many notes, each in a prompt of its own."""
    source = VectorIndexRetriever(_index(), similarity_top_k=notes)
    return _engine(model, mode, source, streaming=streaming)


def _synthesis(mode: str, notes: int = NOTES) -> Callable[[Client], App]:
    def build(client: Client) -> App:
        model = _model(client)
        return App(synthesis(model, mode, notes=notes, streaming=client.streaming), model)

    return build


def fusion(model: OpenAILike, *, streaming: bool = False) -> Any:
    """An engine that asks for further queries, and answers from what all of them find."""
    source = QueryFusionRetriever(
        [VectorIndexRetriever(_index(), similarity_top_k=2)],
        llm=model,
        num_queries=4,
        use_async=False,
        similarity_top_k=2,
    )
    return _engine(model, "compact", source, streaming=streaming)


def _fusion(client: Client) -> App:
    model = _model(client)
    return App(fusion(model, streaming=client.streaming), model)


def _shown(response: Any) -> Any:
    return str(response), [(node.node_id, node.score) for node in response.source_nodes]


def _query(engine: Any, question: str) -> Any:
    return _shown(engine.query(question))


async def _aquery(engine: Any, question: str) -> Any:
    return _shown(await engine.aquery(question))


def _stream(engine: Any, question: str) -> Any:
    with _Pieces() as pieces:
        for piece in engine.query(question).response_gen:
            pieces.append(piece)
    return list(pieces)


async def _astream(engine: Any, question: str) -> Any:
    with _Pieces() as pieces:
        response = await engine.aquery(question)
        async for piece in response.async_response_gen():
            pieces.append(piece)
    return list(pieces)


class _Pieces(list[Any]):
    """What has been read of a stream; an error says it."""

    def __enter__(self) -> _Pieces:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            error.add_note(f"after {self}")


# LangChain.


def multi_query(model: ChatOpenAI) -> Runnable[str, str]:
    """A chain that asks for further queries, and answers from what all of them find."""
    retriever = MultiQueryRetriever.from_llm(
        langchain_parts.store().as_retriever(search_kwargs={"k": 2}), model
    )
    return langchain_parts.rag(retriever, model)


def _chain(client: Client) -> App:
    model = langchain_parts.chat(
        client.url, timeout=client.timeout, max_retries=client.retries, max_tokens=32
    )
    return App(multi_query(model), model)


def _invoke(chain: Any, question: str) -> Any:
    return chain.invoke(question)


async def _ainvoke(chain: Any, question: str) -> Any:
    return await chain.ainvoke(question)


def _lc_stream(chain: Any, question: str) -> Any:
    with _Pieces() as pieces:
        for piece in chain.stream(question):
            pieces.append(piece)
    return list(pieces)


async def _lc_astream(chain: Any, question: str) -> Any:
    with _Pieces() as pieces:
        async for piece in chain.astream(question):
            pieces.append(piece)
    return list(pieces)


def _batch(chain: Any, question: str) -> Any:
    return chain.batch([question, f"{question} Again?"])


async def _abatch(chain: Any, question: str) -> Any:
    return await chain.abatch([question, f"{question} Again?"])


_TREE, _ACCUMULATE, _REFINE = map(_synthesis, ("tree_summarize", "accumulate", "refine"))
ENTRIES = (
    Entry("tree.query", _TREE, _query),
    Entry("tree.aquery", _TREE, _aquery, concurrent=True),
    Entry("tree.stream", _TREE, _stream, streaming=True),
    Entry("tree.astream", _TREE, _astream, streaming=True, concurrent=True),
    Entry("accumulate.query", _ACCUMULATE, _query),
    Entry("accumulate.aquery", _ACCUMULATE, _aquery, concurrent=True),
    Entry("fusion.query", _fusion, _query),
    Entry("fusion.aquery", _fusion, _aquery, concurrent=True),
    Entry("fusion.stream", _fusion, _stream, streaming=True),
    Entry("refine.query", _REFINE, _query),
    Entry("refine.aquery", _REFINE, _aquery, concurrent=True),
    Entry("refine.stream", _REFINE, _stream, streaming=True),
    Entry("chain.invoke", _chain, _invoke),
    Entry("chain.ainvoke", _chain, _ainvoke, concurrent=True),
    Entry("chain.stream", _chain, _lc_stream),
    Entry("chain.astream", _chain, _lc_astream, concurrent=True),
    Entry("chain.batch", _chain, _batch),
    Entry("chain.abatch", _chain, _abatch, concurrent=True),
    Entry("wide.query", _synthesis("tree_summarize", 2 * NOTES), _query, wide=True),
    Entry("wide.aquery", _synthesis("accumulate", 2 * NOTES), _aquery, concurrent=True, wide=True),
)


def ask(entry: Entry, obj: Any, question: str, loop: asyncio.AbstractEventLoop) -> Any:
    """Ask as this entry does; what is awaited runs on ``loop``."""
    if entry.concurrent:
        return loop.run_until_complete(entry.ask(obj, question))
    return entry.ask(obj, question)
