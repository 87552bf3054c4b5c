"""LangChain: a chain over a retriever that asks in several words."""

import sys

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langchain_text_splitters import RecursiveCharacterTextSplitter
from pydantic import SecretStr

from ayo_bridge import accelerate, explain

PROMPT = ChatPromptTemplate.from_template("Context:\n{context}\n\nQuestion: {question}")


def join(documents: list[Document]) -> str:
    """The context of a prompt."""
    return "\n\n".join(document.page_content for document in documents)


llm = ChatOpenAI(model="stub", base_url=sys.argv[1], api_key=SecretStr("none"))
documents = [Document(f"Quarter {number} went well. " * 100) for number in range(4)]
chunks = RecursiveCharacterTextSplitter(chunk_size=1000).split_documents(documents)
store = InMemoryVectorStore.from_documents(chunks, DeterministicFakeEmbedding(size=8))
retriever = MultiQueryRetriever.from_llm(store.as_retriever(search_kwargs={"k": 3}), llm)
chain: Runnable[str, str] = (
    {"context": retriever | join, "question": RunnablePassthrough()}
    | PROMPT
    | llm
    | StrOutputParser()
)

question = "What changed in the second quarter?"
plain = chain.invoke(question)
chain = accelerate(chain)
assert chain.invoke(question) == plain
print(str(explain(chain)).splitlines()[0])
