"""LangChain on vLLM, accelerated by one line.

    ayo-bridge serve-llm MODEL            # prints the URL
    python examples/langchain_rag.py URL MODEL DIRECTORY "A question?"

DIRECTORY holds text files. MODEL is the name the server gives: a model directory's last part.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

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

from ayo_bridge import Runtime, accelerate, explain

PROMPT = ChatPromptTemplate.from_template(
    "Answer from this context only:\n{context}\n\nQuestion: {question}"
)


def join(documents: list[Document]) -> str:
    """The context of a prompt."""
    return "\n\n".join(document.page_content for document in documents)


def build(url: str, model: str, directory: str, embedding: Any) -> Any:
    """An ordinary chain over a directory of text files; the LLM rephrases the question first."""
    llm = ChatOpenAI(
        model=model,
        base_url=url,
        api_key=SecretStr("none"),
        max_completion_tokens=64,
        temperature=0.0,
    )
    texts = [
        Document(path.read_text(errors="replace"), metadata={"path": str(path)})
        for path in sorted(Path(directory).rglob("*"))
        if path.is_file()
    ]
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000).split_documents(texts)
    store = InMemoryVectorStore.from_documents(chunks, embedding)
    retriever = MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 3}), llm)
    question = {"context": retriever | join, "question": RunnablePassthrough()}
    return question | PROMPT | llm | StrOutputParser()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url", help="base URL of the server, with /v1")
    parser.add_argument("model", help="name of the served model")
    parser.add_argument("directory", help="directory of text files")
    parser.add_argument("question")
    parser.add_argument("--embedding", help="embedding model; all-MiniLM-L6-v2 by default")
    options = parser.parse_args()
    name = options.embedding or "sentence-transformers/all-MiniLM-L6-v2"
    embedding = HuggingFaceEmbeddings(model_name=name)
    chain = build(options.url, options.model, options.directory, embedding)

    # The one line. `serve-llm` runs with priority scheduling, which cannot be probed: say so.
    chain = accelerate(chain, runtime=Runtime(priority=True))

    print(chain.invoke(options.question))
    print(explain(chain))


if __name__ == "__main__":
    main()
