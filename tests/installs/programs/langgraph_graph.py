"""LangGraph: a graph of nodes that do not need each other, which is learned."""

import sys
from typing import Any, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import SecretStr

from ayo_bridge import accelerate, explain


class Views(TypedDict, total=False):
    question: str
    causes: str
    effects: str


llm = ChatOpenAI(model="stub", base_url=sys.argv[1], api_key=SecretStr("none"))


def causes(state: Views) -> Views:
    """Needs the question only."""
    return {"causes": str(llm.invoke(f"List the causes of {state['question']}").content)}


def effects(state: Views) -> Views:
    """Needs the question only."""
    return {"effects": str(llm.invoke(f"List the effects of {state['question']}").content)}


made: Any = StateGraph(Views)
made.add_sequence([causes, effects])
made.add_edge(START, "causes")
made.add_edge("effects", END)
graph = made.compile()
fast = accelerate(graph)
for number in range(6):
    given = {"question": f"event {number}"}
    assert fast.invoke(given) == graph.invoke(given)
print(str(explain(fast)).splitlines()[0])
