"""The engines of LlamaDist: the program's own models and servers, each behind its queue."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from ayo_bridge.profile.llm_server import served_cache
from ayo_bridge.seam import EngineKind
from ayo_bridge.simulate import load_profiles
from benchmarks.apps import engines
from benchmarks.apps.arms.places import THREADS
from benchmarks.apps.arms.queues import Admission, Batches, Serve, best_batch
from benchmarks.apps.modules import EMBEDDING, RERANKER
from benchmarks.apps.settings import Settings

TEXT: Final = "text"
QUERY: Final = "query"
PAIR: Final = "pair"
"""What batch engines are asked: requests of one kind share a batch."""


class Engine:
    """An engine that runs batches, with its queue: it is started once, for all modules.

    Args:
        name: a key of :data:`SERVED`.
        best: b*; ``None``: that of the published profile of the model's name, or it is measured.
    """

    def __init__(self, name: str, settings: Settings, policy: str, best: int | None) -> None:
        served = SERVED[name]
        serve, sample = served.make(settings)
        best = best or _published(served.model(settings))
        self._best = best or best_batch(serve, served.how, sample)
        self._queue = Batches(name, served.kind, serve, self._best, policy)

    async def best(self) -> int:
        """b*."""
        return self._best

    async def serve(self, invocation: object, how: str, items: Sequence[Any]) -> list[Any]:
        """The results of items, in order."""
        parts = map(asyncio.wrap_future, self._queue.ask(invocation, how, items))
        return [*itertools.chain(*await asyncio.gather(*parts))]

    def close(self) -> None:
        """Take no more."""
        self._queue.close()


class Door:
    """The queue before an LLM's server; who is admitted calls the server himself."""

    def __init__(self, name: str, settings: Settings, policy: str) -> None:
        kv_tokens, _ = served_cache(settings.base_url)
        self._admission = Admission(name, policy, kv_tokens)

    async def enter(self, invocation: object, tokens: int) -> int:
        """Wait until a call that holds so many tokens may be made; the ticket to leave with."""
        return await asyncio.wrap_future(self._admission.enter(invocation, tokens))

    async def leave(self, ticket: int) -> None:
        """It has been made."""
        self._admission.leave(ticket)


def _embedding(settings: Settings) -> tuple[Serve, Any]:
    """Embeds texts, and queries, as the program's own model does."""
    model = engines.embedding(settings)

    def serve(how: str, texts: list[str]) -> list[list[float]]:
        if how == TEXT:
            return list(model._get_text_embeddings(texts))
        if len(texts) == 1:
            return [model._get_query_embedding(texts[0])]
        if hasattr(model, "_embed"):  # Of sentence-transformers: a prompt of its own for queries.
            return list(model._embed(texts, prompt_name="query"))
        return list(model._get_text_embeddings(texts))

    return serve, _sample(settings)


def _reranker(settings: Settings) -> tuple[Serve, Any]:
    """Scores pairs as the program's own reranker does: those of one question at a time.

    Those of several questions are asked for at once, so that a server can batch them.
    """
    model = engines.reranker(settings, top_n=1)
    threads = ThreadPoolExecutor(THREADS, "rerank")

    def scores(question: str, texts: list[str]) -> list[float]:
        nodes = [
            NodeWithScore(node=TextNode(text=text, id_=f"{i}")) for i, text in enumerate(texts)
        ]
        every = model.model_copy(update={"top_n": len(texts)})
        found = every.postprocess_nodes(nodes, QueryBundle(question))
        return [s for _, s in sorted((int(each.node_id), each.score) for each in found)]

    def serve(how: str, pairs: list[tuple[str, str]]) -> list[float]:
        groups = [
            (question, [text for _, text in group])
            for question, group in itertools.groupby(pairs, key=itemgetter(0))
        ]
        return [*itertools.chain(*threads.map(scores, *zip(*groups, strict=True)))]

    return serve, ("What is it?", _sample(settings))


def _sample(settings: Settings) -> str:
    return "word " * settings.chunk_tokens


def _published(model: str) -> int | None:
    profile = load_profiles().batches.get(model)
    return None if profile is None else profile.best_batch or profile.curve.points[-1][0]


@dataclass(frozen=True, slots=True)
class Served:
    """An engine that runs batches.

    Args:
        how: the kind of request that b* is measured with.
        model: its name.
        make: gives what serves a batch, and an item of one.
    """

    kind: EngineKind
    how: str
    model: Callable[[Settings], str]
    make: Callable[[Settings], tuple[Serve, Any]]


SERVED: Final[dict[str, Served]] = {
    EMBEDDING: Served(EngineKind.EMBEDDING, TEXT, lambda it: it.embedding, _embedding),
    RERANKER: Served(EngineKind.RERANKER, PAIR, lambda it: it.reranker, _reranker),
}

__all__ = ["PAIR", "QUERY", "SERVED", "TEXT", "Door", "Engine"]
