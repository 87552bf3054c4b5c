"""Ordinary LangChain runnables over a stub LLM server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import langchain_core.vectorstores.in_memory as in_memory
from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from benchmarks.measure import Call, Case, fresh_runtime
from benchmarks.slow_engines import minilm, slow_down

_SIMILARITY = "cosine_similarity"
"""What the store has imported; no public name of that module."""
_PROMPT = ChatPromptTemplate.from_template("Context:\n{context}\n\nQuestion: {question}")


def llm(url: str) -> ChatOpenAI:
    """A client of the stub."""
    return ChatOpenAI(
        model="stub",
        base_url=url,
        api_key=SecretStr("none"),
        max_completion_tokens=256,
        temperature=0.0,
    )


def slow_embeddings(seconds: float) -> Any:
    """The real MiniLM, and every batch takes so much longer."""
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=minilm(), model_kwargs={"device": "cpu"})
    slow_down(embeddings._client, seconds)
    return embeddings


def multi_query(url: str, embedding_seconds: float) -> MultiQueryRetriever:
    """The LLM writes three queries, and each is searched for."""
    texts = [Document(f"Item {n} has the property {n * n}.") for n in range(20)]
    store = InMemoryVectorStore.from_documents(texts, slow_embeddings(embedding_seconds))
    return MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 4}), llm(url))


def remote_multi_query(url: str, embedding_url: str) -> MultiQueryRetriever:
    """The LLM writes three queries; each is embedded by a server and searched for."""
    embeddings = OpenAIEmbeddings(
        model="stub-embedding",
        base_url=embedding_url,
        api_key=SecretStr("none"),
        check_embedding_ctx_length=False,
    )
    texts = [Document(f"Item {n} has the property {n * n}.") for n in range(20)]
    store = InMemoryVectorStore.from_documents(texts, embeddings)
    return MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 4}), llm(url))


def slow_search(seconds: float) -> Callable[[], None]:
    """Have every search of an ``InMemoryVectorStore`` take so much longer, below its methods.

    Returns:
        a function that undoes it.
    """
    original = vars(in_memory)[_SIMILARITY]

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return original(*args, **kwargs)

    setattr(in_memory, _SIMILARITY, slow)
    return lambda: setattr(in_memory, _SIMILARITY, original)


def chain(url: str) -> Any:
    """A prompt, one LLM call, a parser."""
    question: dict[str, Runnable[str, Any]] = {
        "context": RunnableLambda(lambda asked: f"All there is about {asked}"),
        "question": RunnablePassthrough(),
    }
    return question | _PROMPT | llm(url) | StrOutputParser()


def asking(runnable: Any) -> Call:
    """A call of a runnable; documents in their order."""

    def ask(question: str) -> str:
        answer = runnable.invoke(question)
        if isinstance(answer, list):
            return "\n".join(document.page_content for document in answer)
        return str(answer)

    return ask


def case(name: str, runnable: Any, **target: Any) -> Case:
    """A runnable as it is and accelerated."""
    from ayo_bridge import accelerate

    fast = accelerate(runnable, runtime=fresh_runtime())
    return Case(name, asking(runnable), asking(fast), **target)
