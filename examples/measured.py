"""Applications to measure; nothing in this file knows of ayo-bridge.

    OPENAI_BASE_URL=http://localhost:8000/v1 LLM_MODEL=my-model \\
        ayo-bridge bench examples.measured:engine --questions examples/questions.txt

``engine`` is a query engine of LlamaIndex, ``chain`` a chain of LangChain, ``report`` a function.
They search the documentation of Python's standard library. Each is made when it is asked for, so
that one needs no other's framework. ``pipeline`` makes a pipeline that ingests documents:

    ayo-bridge bench examples.measured:pipeline --ingest --questions examples
"""

from __future__ import annotations

import importlib
import inspect
import os
from functools import cache
from typing import Any

_SUBJECTS = (
    "argparse asyncio bisect collections concurrent.futures contextlib copy csv datetime decimal "
    "difflib email enum fractions functools heapq itertools json logging pathlib pickle queue "
    "random re sched shutil sqlite3 statistics string subprocess tempfile textwrap threading time "
    "timeit tokenize traceback types typing unittest urllib.request uuid weakref zipfile zoneinfo"
)
_TOKENS = 48


def texts() -> list[str]:
    """What modules say of themselves, and of what is in them."""
    found = []
    for name in _SUBJECTS.split():
        module = importlib.import_module(name)
        public = [getattr(module, each, None) for each in getattr(module, "__all__", ())]
        said = [text for each in (module, *public) if (text := inspect.getdoc(each))]
        found.append(f"Module {name}\n" + "\n".join(said)[:2000])
    return found


def _server() -> tuple[str, str]:
    return os.environ["OPENAI_BASE_URL"], os.environ.get("LLM_MODEL", "stub")


def _embedding() -> str:
    return os.environ.get("EMBEDDING_MODEL", "sentence-transformers/all-MiniLM-L6-v2")


@cache
def _llm() -> Any:
    from llama_index.llms.openai_like import OpenAILike

    url, model = _server()
    return OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        context_window=1024,
        max_tokens=_TOKENS,
        temperature=0.0,
        timeout=600.0,
    )


@cache
def _embedded() -> Any:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=_embedding())


@cache
def _engine() -> Any:
    """A query engine that summarises eight passages, several to a prompt."""
    from llama_index.core import Document, VectorStoreIndex

    documents = [Document(text=text) for text in texts()]
    index = VectorStoreIndex.from_documents(documents, embed_model=_embedded())
    return index.as_query_engine(llm=_llm(), response_mode="tree_summarize", similarity_top_k=8)


@cache
def _chain() -> Any:
    """A chain that has the question rephrased, searches with all of them, and answers."""
    from langchain_classic.retrievers import MultiQueryRetriever
    from langchain_core.documents import Document
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_openai import ChatOpenAI
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from pydantic import SecretStr

    def join(found: list[Document]) -> str:
        return "\n\n".join(each.page_content for each in found)

    url, model = _server()
    llm = ChatOpenAI(
        model=model,
        base_url=url,
        api_key=SecretStr("none"),
        max_completion_tokens=_TOKENS,
        temperature=0.0,
    )
    splitter = RecursiveCharacterTextSplitter(chunk_size=600)
    chunks = splitter.create_documents(texts())
    store = InMemoryVectorStore.from_documents(
        chunks, HuggingFaceEmbeddings(model_name=_embedding())
    )
    retriever = MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 2}), llm)
    prompt = ChatPromptTemplate.from_template(
        "Answer from this context only:\n{context}\n\nQuestion: {question}"
    )
    asked = {"context": retriever | join, "question": RunnablePassthrough()}
    return asked | prompt | llm | StrOutputParser()


@cache
def _client() -> Any:
    import openai

    return openai.OpenAI(base_url=_server()[0], api_key="none", timeout=600.0)


def _ask(prompt: str) -> str:
    reply = _client().chat.completions.create(
        model=_server()[1],
        messages=[{"role": "user", "content": prompt}],
        max_tokens=_TOKENS,
        temperature=0,
    )
    return reply.choices[0].message.content or ""


def report(question: str) -> str:
    """Three views of a question, one after the other, and what they come to."""
    simple = _ask(f"Explain this to a beginner: {question}")
    expert = _ask(f"Explain this to an expert: {question}")
    wrong = _ask(f"Which mistakes are often made here? {question}")
    return _ask(f"Write one answer from these.\n1. {simple}\n2. {expert}\n3. {wrong}")


def pipeline() -> Any:
    """A pipeline with a store of its own: a summary and keywords of each chunk, an embedding."""
    from llama_index.core.extractors import KeywordExtractor, SummaryExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.vector_stores import SimpleVectorStore

    return IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=512, chunk_overlap=0),
            SummaryExtractor(llm=_llm(), show_progress=False),
            KeywordExtractor(llm=_llm(), show_progress=False),
            _embedded(),
        ],
        vector_store=SimpleVectorStore(),
    )


_MADE = {"engine": _engine, "chain": _chain}


def __getattr__(name: str) -> Any:
    if name in _MADE:
        return _MADE[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
