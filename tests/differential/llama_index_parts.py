"""Components that the LlamaIndex rows are built from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer, get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike

from tests.differential.harness import Env
from tests.stub_openai import Body, StubOpenAI, hashed_text

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

_SUBJECTS = (
    "amber resin in pine bark",
    "birch water drawn in March",
    "cedar chests against moths",
    "the delta where three rivers meet",
    "embers kept alive overnight",
    "the fjord's tide tables",
    "a grove planted for ship masts",
    "heath burnt in strips each autumn",
    "islets that appear at low water",
    "the jetty repaired with larch",
    "a knoll with five old graves",
    "ledgers of the salt office",
)
TEXTS = tuple(
    f"Note {number} is about {subject}. The keeper wrote it down in the north, in a year of "
    f"{number + 3} storms, and said that {subject} had been known to his father for {number * 7} "
    "winters; he counted, compared and kept what he had seen."
    for number, subject in enumerate(_SUBJECTS)
)
"""Twelve notes of about 60 tokens."""
DIMENSION = 8


def nodes(texts: Sequence[str] = TEXTS, *, embedded: bool = True) -> list[TextNode]:
    """Nodes with ids of their own, and embeddings that no two share."""
    return [
        TextNode(
            id_=f"node-{number}",
            text=text,
            metadata={"source": f"book {number % 3}", "page": number},
            embedding=_vector(number) if embedded else None,
        )
        for number, text in enumerate(texts)
    ]


def _vector(number: int) -> list[float]:
    return [math.cos(0.37 * number * (place + 1)) + 0.1 * place for place in range(DIMENSION)]


@lru_cache(maxsize=1)
def mock_embedding() -> MockEmbedding:
    """Embeds every query alike; the nodes differ, so scores do."""
    return MockEmbedding(embed_dim=DIMENSION)


@lru_cache(maxsize=4)
def index(count: int = len(TEXTS)) -> VectorStoreIndex:
    """An in-memory index of the first notes."""
    return VectorStoreIndex(nodes(TEXTS[:count]), embed_model=mock_embedding())


@lru_cache(maxsize=1)
def minilm(path: str) -> Any:
    """The real all-MiniLM-L6-v2 as LlamaIndex's embedding."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=path, device="cpu")


@lru_cache(maxsize=1)
def minilm_index(path: str) -> VectorStoreIndex:
    """The notes embedded by MiniLM, in memory."""
    return VectorStoreIndex(nodes(embedded=False), embed_model=minilm(path))


@lru_cache(maxsize=1)
def _shallow_index(path: str) -> VectorStoreIndex:
    shallow: Any = minilm.__wrapped__(path)
    encoder = shallow._model[0].auto_model.encoder
    encoder.layer = encoder.layer[:1]
    return VectorStoreIndex(nodes(embedded=False), embed_model=shallow)


def minilm_index_of(env: Env) -> VectorStoreIndex:
    """The notes embedded by the first of MiniLM's six layers, in memory.

    What is compared is who asks the model for what, and when.
    """
    return _shallow_index(str(env.fixture("minilm_path")))


def postgres_store(server: EmbeddedPostgres, **options: Any) -> Any:
    """A store of its own, as pools belong to a loop."""
    postgres = pytest.importorskip("llama_index.vector_stores.postgres")
    at = server.dsn
    return postgres.PGVectorStore.from_params(
        host=at.host,
        port=str(at.port),
        database=at.database,
        user=at.user,
        password=at.password,
        **options,
    )


def llm(env: Env, *, chat: bool = True, **options: Any) -> OpenAILike:
    """A client of the stub that gives up soon."""
    settings = {
        "model": "stub",
        "api_base": env.stub.base_url,
        "api_key": "key",
        "is_chat_model": chat,
        "max_tokens": 32,
        "temperature": 0.0,
        "max_retries": 0,
        "timeout": 10.0,
    }
    return OpenAILike(**{**settings, **options})


def retriever(env: Env, *, top_k: int = 8, **options: Any) -> VectorIndexRetriever:
    """Over the notes in memory."""
    return VectorIndexRetriever(index(), similarity_top_k=top_k, **options)


def synthesizer(
    env: Env,
    mode: str,
    *,
    chunk: int | None = None,
    model: OpenAILike | None = None,
    **options: Any,
) -> BaseSynthesizer:
    """``chunk`` is the most tokens of context in one prompt: small ones make many calls."""
    if chunk is not None:
        options["prompt_helper"] = PromptHelper(
            context_window=3900, num_output=32, chunk_overlap_ratio=0.0, chunk_size_limit=chunk
        )
    return get_response_synthesizer(
        llm=model or llm(env),
        response_mode=mode,  # type: ignore[arg-type]
        streaming=env.streaming,
        **options,
    )


def engine(
    env: Env,
    mode: str,
    *,
    chunk: int | None = None,
    top_k: int = 8,
    model: OpenAILike | None = None,
    source: Any = None,
    postprocessors: Sequence[Any] = (),
    **options: Any,
) -> RetrieverQueryEngine:
    """The usual engine: a vector retriever, postprocessors, a synthesizer."""
    return RetrieverQueryEngine(
        source if source is not None else retriever(env, top_k=top_k),
        synthesizer(env, mode, chunk=chunk, model=model, **options),
        node_postprocessors=list(postprocessors),
    )


def fusion(
    env: Env,
    mode: str,
    *,
    retrievers: Sequence[Any],
    queries: int = 4,
    use_async: bool = False,
    model: OpenAILike | None = None,
    top_k: int = 5,
    **options: Any,
) -> QueryFusionRetriever:
    """Asks the LLM for further queries and fuses what they find."""
    # A synchronous call that runs its tasks in a loop of its own leaves clients behind in it.
    model = model or llm(env, reuse_client=not use_async)
    return QueryFusionRetriever(
        list(retrievers),
        llm=model,
        mode=mode,  # type: ignore[arg-type]
        num_queries=queries,
        use_async=use_async,
        similarity_top_k=top_k,
        **options,
    )


def generated_queries(body: Body) -> str:
    """What the stub answers when it is asked for queries: lines with the blemishes of a model."""
    words = hashed_text(body).split()
    lines = [f"1. {' '.join(words[:3])}?", f"  2. {words[3]} and {words[4]}", "", words[5]]
    return "\n".join([*lines, words[6], "more than were asked for"])


def answers(stub: StubOpenAI) -> None:
    """Have the stub answer requests for queries in lines."""
    stub.reply_when(
        "generates multiple search queries", text=lambda request: generated_queries(request.body)
    )
