"""LangChain: a summary of each passage found, and one of all summaries."""

import sys
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import chain
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr


def build(url: str) -> Any:
    key = SecretStr("none")
    llm = ChatOpenAI(model="stub", base_url=url, api_key=key)
    embeddings = OpenAIEmbeddings(
        model="stub", base_url=url, api_key=key, check_embedding_ctx_length=False
    )
    passages = [f"Passage {number} tells of tower {number}." for number in range(12)]
    retriever = InMemoryVectorStore.from_texts(passages, embeddings).as_retriever()
    mapping = ChatPromptTemplate.from_template("Sum up for {question}\n\n{text}")
    reducing = ChatPromptTemplate.from_template("Combine for {question}\n\n{summaries}")
    summarise = mapping | llm | StrOutputParser()
    combine = reducing | llm | StrOutputParser()

    @chain
    def map_reduce(question: str) -> str:
        found = retriever.invoke(question)
        summaries = [
            summarise.invoke({"question": question, "text": document.page_content})
            for document in found
        ]
        return combine.invoke({"question": question, "summaries": "\n".join(summaries)})

    return map_reduce


def main(url: str, questions: int) -> None:
    map_reduce = build(url)
    for number in range(questions):
        print(map_reduce.invoke(f"tower {number}, and the towers beside it"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
