"""The engines of the applications: real framework classes over stubs with adjustable latencies.

The LLM is a server in another process. The embedding model is a real ``SentenceTransformer``, and
the vector stores are the frameworks' own in-memory ones; both are slowed down below the methods
that an application calls, as real ones are slow.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.learned.passages import Passage
from benchmarks.learned.replies import ORDINARY_MODEL
from benchmarks.learned.server import ServerProcess
from benchmarks.slow_engines import minilm

_SEARCHES = (
    ("llama_index.core.vector_stores.simple", "get_top_k_embeddings"),
    ("langchain_core.vectorstores.in_memory", "cosine_similarity"),
)
"""What the two stores compare vectors with; no public names of these modules."""
DIMENSIONS = 64


@dataclass(slots=True)
class Latencies:
    """Seconds a call of each kind of engine takes. ``llm`` is the server's, fixed at its start."""

    llm: float = 0.1
    embedding: float = 0.02
    search: float = 0.01


NONE = Latencies(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Engines:
    """Makes an application's engines, as its own code would make them."""

    url: str
    embedding_folder: str
    latencies: Latencies
    server: ServerProcess

    def llama_llm(self, **settings: Any) -> Any:
        """A LlamaIndex client of the server."""
        from llama_index.llms.openai_like import OpenAILike

        chosen: dict[str, Any] = {
            "is_chat_model": True,
            "context_window": 8192,
            "max_tokens": 512,
            "temperature": 0.0,
            **settings,
        }
        return OpenAILike(model="stub", api_base=self.url, api_key="none", **chosen)

    def llama_embedding(self) -> Any:
        """A LlamaIndex embedding over the local model."""
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        embedding = HuggingFaceEmbedding(model_name=self.embedding_folder, device="cpu")
        self._slow_down(embedding._model)
        return embedding

    def llama_index(self, passages: Sequence[Passage], embedding: Any) -> Any:
        """An index over passages, in LlamaIndex's own store."""
        from llama_index.core import VectorStoreIndex
        from llama_index.core.schema import TextNode

        nodes = [
            TextNode(
                text=passage.text,
                id_=passage.id,
                metadata={"file_name": passage.file_name, "page": passage.page},
            )
            for passage in passages
        ]
        return VectorStoreIndex(nodes, embed_model=embedding)

    def chat_model(self, **settings: Any) -> Any:
        """A LangChain client of the server."""
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        return ChatOpenAI(
            model="stub", base_url=self.url, api_key=SecretStr("none"), temperature=0.0, **settings
        )

    def langchain_embeddings(self) -> Any:
        """LangChain embeddings over the local model."""
        from langchain_huggingface import HuggingFaceEmbeddings

        embeddings = HuggingFaceEmbeddings(
            model_name=self.embedding_folder, model_kwargs={"device": "cpu"}
        )
        self._slow_down(embeddings._client)
        return embeddings

    def langchain_store(self, passages: Sequence[Passage], embeddings: Any) -> Any:
        """LangChain's own store over passages."""
        from langchain_core.documents import Document
        from langchain_core.vectorstores import InMemoryVectorStore

        store = InMemoryVectorStore(embeddings)
        store.add_documents(
            [
                Document(
                    page_content=passage.text,
                    id=passage.id,
                    metadata={"file_name": passage.file_name, "page": passage.page},
                )
                for passage in passages
            ]
        )
        return store

    def openai(self) -> Any:
        """The plain SDK's client of the server."""
        from openai import OpenAI

        return OpenAI(base_url=self.url, api_key="none")

    def async_openai(self) -> Any:
        """The plain SDK's async client of the server."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(base_url=self.url, api_key="none")

    def _slow_down(self, model: Any) -> None:
        """Have each batch take so much longer, below ``encode`` and without a hook."""
        words = model[0]
        forward = words.forward

        def slow(*args: Any, **kwargs: Any) -> Any:
            if self.latencies.embedding > 0:
                time.sleep(self.latencies.embedding)
            return forward(*args, **kwargs)

        words.forward = slow


@contextmanager
def running_engines(
    latencies: Latencies | None = None, core: int | None = None
) -> Iterator[Engines]:
    """Engines for as long as the block runs; ``core`` is where the server runs."""
    latencies = Latencies() if latencies is None else latencies
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ayo-embedding-"))
        save_embedding_model(folder)
        for module, name in _SEARCHES:
            stack.callback(_slow_search(module, name, latencies))
        server = stack.enter_context(ServerProcess(latencies.llm, core))
        yield Engines(server.base_url, folder, latencies, server)


def cache_tokenizer() -> None:
    """Have tiktoken read what LlamaIndex brings along, not the network."""
    import importlib.util

    package = importlib.util.find_spec("llama_index.core")
    for location in (package.submodule_search_locations or ()) if package else ():
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", f"{location}/_static/tiktoken_cache")


def _slow_search(module_name: str, name: str, latencies: Latencies) -> Callable[[], None]:
    """Have each search of a store take so much longer; returns what undoes it."""
    import importlib

    module = importlib.import_module(module_name)
    original = vars(module)[name]

    def slow(*args: Any, **kwargs: Any) -> Any:
        if latencies.search > 0:
            time.sleep(latencies.search)
        return original(*args, **kwargs)

    setattr(module, name, slow)
    return partial(setattr, module, name, original)


def save_embedding_model(folder: str, tokenizer_path: str | None = None) -> None:
    """A mean of word vectors drawn at random: texts that share rare words are near each other.

    Words are those of a tokenizer whose vocabulary is in order of frequency, by default MiniLM's.

    Made of the library's own modules, so that its batches may be shared like any real model's.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, WordEmbeddings
    from transformers import AutoTokenizer

    path = tokenizer_path or minilm()
    tokenizer = AutoTokenizer.from_pretrained(path, model_max_length=1_000_000)
    words = len(tokenizer)
    vectors = torch.randn(words, DIMENSIONS, generator=torch.Generator().manual_seed(1))
    # The vocabulary is in order of frequency, from about the thousandth entry on.
    rareness = torch.clamp((torch.arange(words) - 1000) / 4000, 0.02, 1.0)
    layer = WordEmbeddings(tokenizer, vectors * rareness[:, None], max_seq_length=512)
    SentenceTransformer(modules=[layer, Pooling(DIMENSIONS)], device="cpu").save(folder)


__all__ = ["NONE", "ORDINARY_MODEL", "Engines", "Latencies", "running_engines"]
