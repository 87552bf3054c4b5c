"""Ordinary LlamaIndex query engines, for benchmarks that bring a server of their own.

They search the documentation of Python's standard library, as ``examples/measured.py`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmarks.learned.engines import save_embedding_model
from examples.measured import texts

TOP_K: Final = 6
_WINDOW: Final = 1024
"""Of context: several passages then take several prompts."""


def questions() -> list[str]:
    """Of the examples."""
    path = Path(__file__).parent.parent / "examples" / "questions.txt"
    return path.read_text("utf-8").splitlines()


def embedding(folder: str, tokenizer: str | None = None) -> str:
    """A small embedding model in ``folder``, made on the spot; of ``tokenizer``'s words."""
    save_embedding_model(folder, tokenizer)
    return folder


@cache
def _index(model: str) -> Any:
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    documents = [Document(text=text) for text in texts()]
    return VectorStoreIndex.from_documents(
        documents, embed_model=HuggingFaceEmbedding(model_name=model, device="cpu")
    )


def _llm(url: str, model: str, tokens: int, window: int = _WINDOW) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        is_chat_model=True,
        context_window=window,
        max_tokens=tokens,
        temperature=0.0,
        timeout=600.0,
    )


def _answers(mode: str) -> Callable[[str, str, str, int], Any]:
    """An engine that answers from several passages, in LlamaIndex's way of this name."""

    def make(url: str, model: str, embedded: str, tokens: int) -> Any:
        llm = _llm(url, model, tokens)
        return _index(embedded).as_query_engine(llm=llm, response_mode=mode, similarity_top_k=TOP_K)

    return make


def _fusion(url: str, model: str, embedded: str, tokens: int) -> Any:
    """The question is rephrased, all of them are searched for, one prompt answers."""
    from llama_index.core.query_engine import RetrieverQueryEngine
    from llama_index.core.response_synthesizers import ResponseMode
    from llama_index.core.retrievers import QueryFusionRetriever

    llm = _llm(url, model, tokens, 4 * _WINDOW)
    retriever = QueryFusionRetriever(
        [_index(embedded).as_retriever(similarity_top_k=2)],
        llm=llm,
        num_queries=4,
        similarity_top_k=4,
        use_async=False,
    )
    return RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode=ResponseMode.COMPACT)


ENGINES: Final[Mapping[str, Callable[[str, str, str, int], Any]]] = {
    "tree": _answers("tree_summarize"),
    "fusion": _fusion,
    "refine": _answers("refine"),
    "compact": _answers("compact"),
}
"""By name: makes one of a URL, a model, an embedding model, and the most tokens of an answer."""

__all__ = ["ENGINES", "embedding", "questions"]
