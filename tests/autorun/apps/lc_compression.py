"""LangChain: a chain over a retriever that has an LLM extract from each passage what matters."""

import sys
from typing import Any

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import LLMChainExtractor
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from this context only.\n\n{context}"), ("human", "{question}")]
)


def joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def build(url: str) -> Any:
    key = SecretStr("none")
    llm = ChatOpenAI(model="stub", base_url=url, api_key=key)
    embeddings = OpenAIEmbeddings(
        model="stub", base_url=url, api_key=key, check_embedding_ctx_length=False
    )
    passages = [f"Passage {number} tells of bridge {number}." for number in range(12)]
    store = InMemoryVectorStore.from_texts(passages, embeddings)
    retriever = ContextualCompressionRetriever(
        base_compressor=LLMChainExtractor.from_llm(llm),
        base_retriever=store.as_retriever(search_kwargs={"k": 4}),
    )
    asked: Any = {"context": retriever | joined, "question": RunnablePassthrough()}
    return asked | PROMPT | llm | StrOutputParser()


def main(url: str, questions: int) -> None:
    chain = build(url)
    for number in range(questions):
        print(chain.invoke(f"What is told of bridge {number}?"))
    print([*chain.stream("What is told of all bridges?")])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
