"""LangGraph: the tutorial's graph that grades what it has found before it answers."""

import sys
from typing import Any, TypedDict

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import END, START, StateGraph
from pydantic import SecretStr


class State(TypedDict, total=False):
    question: str
    documents: list[Document]
    generation: str


def build(url: str) -> Any:
    key = SecretStr("none")
    llm = ChatOpenAI(model="stub", base_url=url, api_key=key)
    embeddings = OpenAIEmbeddings(
        model="stub", base_url=url, api_key=key, check_embedding_ctx_length=False
    )
    passages = [f"Passage {number} tells of market {number}." for number in range(12)]
    retriever = InMemoryVectorStore.from_texts(passages, embeddings).as_retriever()

    def retrieve(state: State) -> State:
        return {"documents": retriever.invoke(state["question"])}

    def grade_documents(state: State) -> State:
        good = []
        for document in state["documents"]:
            prompt = f"Does it help with '{state['question']}'? Say yes or no.\n\n"
            prompt += document.page_content
            if "yes" in str(llm.invoke(prompt).content):
                good.append(document)
        return {"documents": good}

    def generate(state: State) -> State:
        context = "\n\n".join(document.page_content for document in state["documents"])
        prompt = f"Context:\n{context}\n\nQuestion: {state['question']}"
        return {"generation": str(llm.invoke(prompt).content)}

    graph = StateGraph(State)
    for node in (retrieve, grade_documents, generate):
        graph.add_node(node)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "grade_documents")
    graph.add_edge("grade_documents", "generate")
    graph.add_edge("generate", END)
    return graph.compile()


def main(url: str, questions: int) -> None:
    graph = build(url)
    for number in range(questions):
        steps = [*graph.stream({"question": f"What is sold on market {number}?"})]
        print(steps[-1]["generate"]["generation"], [*map(list, steps)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
