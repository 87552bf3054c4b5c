"""Graphs of LangGraph, as its tutorials write them."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from benchmarks.learned.app import Answer, Inputs


class _Retrieved(TypedDict, total=False):
    question: str
    documents: list[Any]
    few: bool
    generation: str


def corrective_rag(llm: Any, retriever: Any) -> Any:
    """Documents are graded; with more than one bad one, a better question is searched for."""
    from langgraph.graph import START, StateGraph

    def retrieve(state: _Retrieved) -> _Retrieved:
        return {"documents": retriever.invoke(state["question"])}

    def grade_documents(state: _Retrieved) -> _Retrieved:
        question, found = state["question"], state["documents"]
        good = []
        for document in found:
            asked = (
                f"Is this document relevant to '{question}'? Say yes or no.\n\n"
                f"{document.page_content}"
            )
            if "yes" in str(llm.invoke(asked).content):
                good.append(document)
        return {"documents": good, "few": len(good) < len(found) - 1}

    def decide_to_generate(state: _Retrieved) -> str:
        return "transform_query" if state["few"] else "generate"

    def transform_query(state: _Retrieved) -> _Retrieved:
        asked = f"Rewrite this as a better search question: {state['question']}"
        return {"question": str(llm.invoke(asked).content)}

    def search_again(state: _Retrieved) -> _Retrieved:
        return {"documents": retriever.invoke(state["question"])[:3]}

    def generate(state: _Retrieved) -> _Retrieved:
        context = "\n\n".join(document.page_content for document in state["documents"])
        asked = f"Context:\n{context}\n\nQuestion: {state['question']}"
        return {"generation": str(llm.invoke(asked).content)}

    graph = StateGraph(_Retrieved)
    for node in (retrieve, grade_documents, transform_query, search_again, generate):
        graph.add_node(node)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "grade_documents")
    graph.add_conditional_edges(
        "grade_documents", decide_to_generate, ["transform_query", "generate"]
    )
    graph.add_edge("transform_query", "search_again")
    graph.add_edge("search_again", "generate")
    return graph.compile()


def generated(graph: Any, inputs: Inputs) -> Answer:
    """Ask a graph of corrective RAG."""
    return Answer(graph.invoke({"question": inputs.query})["generation"])


class _Topic(TypedDict, total=False):
    topic: str
    subjects: list[dict[str, str]]
    jokes: Annotated[list[str], operator.add]
    best: str


class _Subject(TypedDict):
    name: str
    topic: str


def fan_out(ask: Callable[[str], str]) -> Any:
    """Subjects are sent to a node each, which runs side by side; the best joke wins."""
    from langgraph.graph import START, StateGraph

    def generate_topics(state: _Topic) -> _Topic:
        asked = f"Name subjects that belong to {state['topic']}, as JSON with a list of items."
        return {"subjects": json.loads(ask(asked))["items"]}

    def continue_to_jokes(state: _Topic) -> Any:
        from langgraph.types import Send

        items = state["subjects"]
        sent = [Send("generate_joke", {key: item[key] for key in _KEYS}) for item in items]
        return sent or "best_joke"

    def generate_joke(state: _Subject) -> _Topic:
        return {"jokes": [ask(f"Tell a joke about the {state['name']}: {state['topic']}")]}

    def best_joke(state: _Topic) -> _Topic:
        listed = "\n\n".join(f"{at}: {joke}" for at, joke in enumerate(state.get("jokes", [])))
        return {
            "best": ask(f"Which of these jokes about {state['topic']} is the best?\n\n{listed}")
        }

    graph = StateGraph(_Topic)
    for node in (generate_topics, generate_joke, best_joke):
        graph.add_node(node)
    graph.add_edge(START, "generate_topics")
    graph.add_conditional_edges(
        "generate_topics", continue_to_jokes, ["generate_joke", "best_joke"]
    )
    graph.add_edge("generate_joke", "best_joke")
    return graph.compile()


_KEYS = ("name", "topic")


def best_of(graph: Any, inputs: Inputs) -> Answer:
    """Ask a graph for its best joke."""
    return Answer(graph.invoke({"topic": inputs.query})["best"])
