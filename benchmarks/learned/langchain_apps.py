"""LangChain applications, as its documentation writes them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from benchmarks.learned import graph_apps
from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.graph_apps import generated
from benchmarks.learned.passages import passages
from benchmarks.learned.plain_apps import call


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


def compression(engines: Engines) -> Any:
    """Eight passages, of each what an LLM finds relevant."""
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_classic.retrievers.document_compressors import LLMChainExtractor

    return ContextualCompressionRetriever(
        base_compressor=LLMChainExtractor.from_llm(engines.chat_model()),
        base_retriever=stores(engines)[0].as_retriever(search_kwargs={"k": 8}),
    )


def _extractor(engines: Engines) -> Program:
    return Program(rag_chain(compression(engines), engines.chat_model()), invoke)


def map_reduce_chain(engines: Engines, documents: int) -> Any:
    """A summary of each passage, and one of all summaries."""
    from langchain_classic.chains.combine_documents.map_reduce import MapReduceDocumentsChain
    from langchain_classic.chains.combine_documents.reduce import ReduceDocumentsChain
    from langchain_classic.chains.combine_documents.stuff import StuffDocumentsChain
    from langchain_classic.chains.llm import LLMChain
    from langchain_core.prompts import PromptTemplate
    from langchain_core.runnables import RunnablePassthrough

    llm = engines.chat_model()
    summary = PromptTemplate.from_template("Sum up for the question '{question}':\n\n{context}")
    whole = PromptTemplate.from_template(
        "Question: {question}\n\nCombine these summaries into an answer:\n\n{context}"
    )
    combine = StuffDocumentsChain(
        llm_chain=LLMChain(llm=llm, prompt=whole), document_variable_name="context"
    )
    chain = MapReduceDocumentsChain(
        llm_chain=LLMChain(llm=llm, prompt=summary),
        reduce_documents_chain=ReduceDocumentsChain(combine_documents_chain=combine),
        document_variable_name="context",
    )
    retriever = stores(engines)[0].as_retriever(search_kwargs={"k": documents})
    asked: Any = {"input_documents": retriever, "question": RunnablePassthrough()}
    return asked | chain | itemgetter("output_text")


def _map_reduce(engines: Engines) -> Program:
    return Program(map_reduce_chain(engines, 6), invoke)


def _map_reduce_loop(engines: Engines) -> Program:
    llm = engines.chat_model()
    retriever = stores(engines)[0].as_retriever(search_kwargs={"k": 6})

    def summarise(question: str) -> str:
        parts = []
        for document in retriever.invoke(question):
            name, page = document.metadata["file_name"], document.metadata["page"]
            prompt = f"Sum up page {page} of {name}:\n{document.page_content}"
            parts.append(llm.invoke(prompt).content)
        listed = "\n".join(f"- {part}" for part in parts)
        text: str = llm.invoke(f"Combine these summaries:\n{listed}\nQuestion: {question}").content
        return text

    return Program(summarise, call)


def corrective_rag(engines: Engines, passages_found: int) -> Program:
    """LangGraph's tutorial over passages."""
    retriever = stores(engines)[0].as_retriever(search_kwargs={"k": passages_found})
    return Program(graph_apps.corrective_rag(engines.chat_model(), retriever), generated)


def _corrective_rag(engines: Engines) -> Program:
    return corrective_rag(engines, 5)


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
    App(
        "lc_extractor8",
        Group.LANGCHAIN,
        _extractor,
        exactly(9),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "lc_mapreduce_chain",
        Group.LANGCHAIN,
        _map_reduce,
        exactly(7),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "lc_mapreduce_loop",
        Group.LANGCHAIN,
        _map_reduce_loop,
        exactly(7),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App("lg_crag", Group.LANGCHAIN, _corrective_rag, Calls(6, 7)),
)
"""Applications of LangChain."""
