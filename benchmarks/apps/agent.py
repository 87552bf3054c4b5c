"""An agent in LangGraph: a plan, a search for each of its steps, an answer (paper, Fig. 2).

Written as LangGraph's documentation writes map-reduce: ``Send`` starts a node for each step.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import SecretStr

from benchmarks.apps import engines
from benchmarks.apps.making import when_asked
from benchmarks.apps.settings import Settings

PLAN = ChatPromptTemplate.from_template(
    "Plan the web research for this question. Write three search queries, one on each line.\n"
    "Question: {question}"
)
ANSWER = ChatPromptTemplate.from_template(
    "Answer the question from what was found.\nQuestion: {question}\nFound:\n{found}"
)
STEPS = 3


class State(TypedDict, total=False):
    """What a run knows; a search is given its ``query`` alone."""

    question: str
    query: str
    steps: list[str]
    found: Annotated[list[str], operator.add]
    answer: str


def make(settings: Settings) -> Any:
    """The program: a graph that takes ``question`` and gives ``answer``."""

    def model(tokens: int) -> ChatOpenAI:
        return ChatOpenAI(
            model=settings.model,
            base_url=settings.base_url,
            api_key=SecretStr("none"),
            max_completion_tokens=tokens,
            temperature=0.0,
        )

    planner = PLAN | model(96) | StrOutputParser()
    writer = ANSWER | model(settings.answer_tokens) | StrOutputParser()
    web = engines.web(settings)

    def plan(state: State) -> State:
        written = planner.invoke({"question": state["question"]})
        return {"steps": written.strip().split("\n")[:STEPS]}

    def each(state: State) -> list[Send]:
        return [Send("search", {"query": query}) for query in state["steps"]]

    def search(state: State) -> State:
        return {"found": ["\n".join(web(state["query"]))]}

    def answer(state: State) -> State:
        found = "\n\n".join(state["found"])
        return {"answer": writer.invoke({"question": state["question"], "found": found})}

    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("search", search)
    graph.add_node("answer", answer)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", each, ["search"])
    graph.add_edge("search", "answer")
    graph.add_edge("answer", END)
    return graph.compile()


__getattr__ = when_asked(__name__, graph=make)
