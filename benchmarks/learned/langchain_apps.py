"""LangChain applications, as its documentation writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.learned.app import Answer, App, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.passages import passages


def invoke(chain: Any, inputs: Inputs) -> Answer:
    """Ask a chain that takes a question and returns text."""
    return Answer(chain.invoke(inputs.query))


def joined(documents: Sequence[Any]) -> str:
    """The context that documents make."""
    return "\n\n".join(document.page_content for document in documents)


def rag_chain(retriever: Any, llm: Any) -> Any:
    """The usual chain: context and question into one prompt."""
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough

    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer the question from this context only.\n\n{context}"),
            ("human", "{question}"),
        ]
    )
    asked: Any = {"context": retriever | joined, "question": RunnablePassthrough()}
    return asked | prompt | llm | StrOutputParser()


def stores(engines: Engines) -> tuple[Any, Any]:
    """Long and short passages, each in a store of their own."""
    embeddings = engines.langchain_embeddings()
    return (
        engines.langchain_store(passages("history", 30), embeddings),
        engines.langchain_store(passages("notes", 30, 2), embeddings),
    )


def _multi_query(engines: Engines) -> Program:
    from langchain_classic.retrievers import MultiQueryRetriever

    llm = engines.chat_model()
    base = stores(engines)[0].as_retriever(search_kwargs={"k": 3})
    return Program(rag_chain(MultiQueryRetriever.from_llm(base, llm), llm), invoke)


def ensemble(engines: Engines) -> Any:
    """Two retrievers whose ranks are fused."""
    from langchain_classic.retrievers import EnsembleRetriever

    retrievers = [store.as_retriever(search_kwargs={"k": 3}) for store in stores(engines)]
    return EnsembleRetriever(retrievers=retrievers, weights=[0.5, 0.5])


def _ensemble(engines: Engines) -> Program:
    return Program(rag_chain(ensemble(engines), engines.chat_model()), invoke)


APPS = (
    App(
        "lc_multiquery",
        Group.LANGCHAIN,
        _multi_query,
        exactly(2),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "lc_ensemble",
        Group.LANGCHAIN,
        _ensemble,
        exactly(1),
        longest=Longest(llm=1, embedding=1, search=1),
    ),
)
"""Applications of LangChain."""
