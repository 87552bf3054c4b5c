"""Ordinary LlamaIndex query engines over a stub LLM server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import llama_index.core.vector_stores.simple as simple_store
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike

from benchmarks.measure import Call, Case, fresh_runtime
from benchmarks.slow_engines import minilm, slow_down

_SEARCH = "get_top_k_embeddings"
"""What the store of LlamaIndex has imported; no public name of that module."""
CHUNK_WORDS = 240
TREE_WINDOW = 640
"""One chunk to a prompt, two are too many; all eight summaries fit into the last one."""


def llm(url: str, context_window: int = 8192, *, chat: bool = False) -> OpenAILike:
    """A client of the stub."""
    return OpenAILike(
        model="stub",
        api_base=url,
        api_key="none",
        context_window=context_window,
        max_tokens=256,
        temperature=0.0,
        is_chat_model=chat,
    )


def nodes(count: int, words: int = CHUNK_WORDS) -> list[TextNode]:
    """Chunks of equal length that differ in every sentence."""
    sentence = "Item {} has the property {} here."
    made = []
    for number in range(count):
        text = " ".join(sentence.format(number, word) for word in range(words // 7))
        made.append(TextNode(text=text, id_=f"node-{number}"))
    return made


def synthesis_engine(
    url: str, mode: str, *, chunks: int = 8, chat: bool = False
) -> RetrieverQueryEngine:
    """Synthesis over chunks whose retrieval costs nothing."""
    index = VectorStoreIndex(nodes(chunks), embed_model=MockEmbedding(embed_dim=8))
    window = TREE_WINDOW if mode == "tree_summarize" else 8192
    engine = index.as_query_engine(
        llm=llm(url, window, chat=chat),
        response_mode=mode,
        similarity_top_k=chunks,
        use_async=False,
    )
    assert isinstance(engine, RetrieverQueryEngine)
    return engine


def fusion_engine(url: str, embedding: Any) -> RetrieverQueryEngine:
    """The sync fusion of four queries with one synthesis call."""
    index = VectorStoreIndex(nodes(20), embed_model=embedding)
    fusion = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=4)],
        llm=llm(url),
        num_queries=4,
        similarity_top_k=4,
        mode=FUSION_MODES.RECIPROCAL_RANK,
        use_async=False,
    )
    return RetrieverQueryEngine.from_args(fusion, llm=llm(url), response_mode=ResponseMode.COMPACT)


def remote_fusion(url: str, embedding_url: str) -> QueryFusionRetriever:
    """The sync fusion of four queries alone, over embeddings behind a server."""
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    embedding = OpenAILikeEmbedding(
        model_name="stub-embedding", api_base=embedding_url, api_key="none"
    )
    index = VectorStoreIndex(nodes(20), embed_model=embedding)
    return QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=4)],
        llm=llm(url),
        num_queries=4,
        similarity_top_k=4,
        mode=FUSION_MODES.RECIPROCAL_RANK,
        use_async=False,
    )


def rag_engine(url: str, *, rerank: bool = False) -> RetrieverQueryEngine:
    """Retrieval with MiniLM, one synthesis call; ``rerank`` takes three of ten passages."""
    index = VectorStoreIndex(nodes(40, 70), embed_model=slow_embedding(0.0))
    ranking = [_untrained_reranker()] if rerank else []
    engine = index.as_query_engine(
        llm=llm(url),
        response_mode="compact",
        similarity_top_k=10 if rerank else 4,
        node_postprocessors=ranking,
    )
    assert isinstance(engine, RetrieverQueryEngine)
    return engine


def _untrained_reranker() -> Any:
    """A cross-encoder as large as MiniLM, with seeded random weights."""
    import torch
    from llama_index.core.postprocessor import SentenceTransformerRerank
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    path = tempfile.mkdtemp(prefix="ayo-bench-")
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(path)
    return SentenceTransformerRerank(model=path, top_n=3)


def slow_embedding(seconds: float) -> Any:
    """The real MiniLM, and every batch takes so much longer."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embedding = HuggingFaceEmbedding(model_name=minilm(), device="cpu")
    slow_down(embedding._model, seconds)
    return embedding


def slow_search(seconds: float) -> Callable[[], None]:
    """Have every search of a ``SimpleVectorStore`` take so much longer, below its methods.

    Returns:
        a function that undoes it.
    """
    original = vars(simple_store)[_SEARCH]

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return original(*args, **kwargs)

    setattr(simple_store, _SEARCH, slow)

    def undo() -> None:
        setattr(simple_store, _SEARCH, original)

    return undo


def asking(engine: Any) -> Call:
    """A call of a query engine; the answer with its sources in their order."""

    def ask(question: str) -> str:
        response = engine.query(question)
        return "\n".join([str(response), *(found.node.node_id for found in response.source_nodes)])

    return ask


def retrieving(retriever: Any) -> Call:
    """A call of a retriever; the ids of what it finds in their order."""
    return lambda question: "\n".join(each.node.node_id for each in retriever.retrieve(question))


def case(name: str, engine: Any, asking: Callable[[Any], Call] = asking, **target: Any) -> Case:
    """A query engine, or what ``asking`` asks, as it is and accelerated."""
    from ayo_bridge import accelerate

    fast = accelerate(engine, runtime=fresh_runtime())
    return Case(name, asking(engine), asking(fast), **target)
