"""Graphs as LangGraph's documentation writes them, over a stub of a chat model."""

from __future__ import annotations

import json
import operator
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from langchain_core.messages import BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Send, StreamWriter, interrupt
from typing_extensions import TypedDict

from tests.stub_openai import StubOpenAI, StubRequest


class Views(TypedDict, total=False):
    question: str
    causes: str
    effects: str
    answer: str


def views(model: Any, **compiled: Any) -> Any:
    """Causes, then effects, of which neither needs the other; and an answer from both."""

    def causes(state: Views, writer: StreamWriter) -> Views:
        writer({"progress": "causes"})
        return {"causes": model.invoke(f"List the causes of {state['question']}").content}

    def effects(state: Views) -> Views:
        return {"effects": model.invoke(f"List the effects of {state['question']}").content}

    def answer(state: Views) -> Views:
        known = f"{state['causes']}\n{state['effects']}"
        return {"answer": model.invoke(f"{known}\n\nAnswer: {state['question']}").content}

    graph: Any = StateGraph(Views)
    graph.add_sequence([causes, effects, answer])
    graph.add_edge(START, "causes")
    return graph.compile(**compiled)


def chains(models: Sequence[Any], chosen: bool) -> Any:
    """Two chains as nodes, each with a model of its own; the second one may be chosen."""

    def part(model: Any, kind: str) -> Any:
        prompt = ChatPromptTemplate.from_template(f"List the {kind} of {{question}}")
        return prompt | model | (lambda reply: {kind: reply.content})

    graph = StateGraph(Views)
    graph.add_node("first", part(models[0], "causes"))
    graph.add_node("second", part(models[1], "effects"))
    graph.add_edge(START, "first")
    if chosen:
        graph.add_conditional_edges("first", lambda state: "second", ["second"])
    else:
        graph.add_edge("first", "second")
    return graph.compile()


class Topic(TypedDict):
    question: str
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


class Subject(TypedDict):
    subject: str


def jokes(model: Any) -> Any:
    """One node for each of several subjects (map-reduce); each asks twice."""

    def subjects(state: Topic) -> dict[str, list[str]]:
        said = model.invoke(f"Name subjects of {state['question']}, separated by ' | '").content
        return {"subjects": said.split(" | ")}

    def joke(state: Subject) -> dict[str, list[str]]:
        told = model.invoke(f"Tell a joke about {state['subject']}").content
        moral = model.invoke(f"Draw a moral from {state['subject']}").content
        return {"jokes": [f"{told} {moral}"]}

    def each(state: Topic) -> list[Send]:
        return [Send("joke", {"subject": subject}) for subject in state["subjects"]]

    def best(state: Topic) -> dict[str, str]:
        return {"best": model.invoke("The best?\n" + "\n".join(state["jokes"])).content}

    graph = StateGraph(Topic)
    for node in (subjects, joke, best):
        graph.add_node(node)
    graph.add_edge(START, "subjects")
    graph.add_conditional_edges("subjects", each, ["joke"])
    graph.add_edge("joke", "best")
    graph.add_edge("best", END)
    return graph.compile()


def names_subjects(stub: StubOpenAI, counts: Sequence[int] = (3,)) -> None:
    """Have the stub name as many subjects as ``counts`` says, by the year in the question."""

    def named(request: StubRequest) -> str:
        year = int(re.findall(r"\d{4}", request.prompt)[0])
        return " | ".join(f"thing {year}{chr(97 + n)}" for n in range(counts[year % len(counts)]))

    stub.reply_when("Name subjects", text=named)


class Letters(TypedDict, total=False):
    tenants: list[str]
    texts: list[str]
    letters: Annotated[list[str], operator.add]


class Letter(TypedDict):
    tenant: str
    text: str


def letters(models: Mapping[str, Any], late: str) -> Any:
    """A text for each of some tenants, who have a model each; one of them comes late to its own."""

    def each(state: Letters) -> list[Send]:
        pairs = zip(state["tenants"], state["texts"], strict=True)
        return [Send("letter", {"tenant": tenant, "text": text}) for tenant, text in pairs]

    def letter(state: Letter) -> Letters:
        if state["tenant"] == late:
            time.sleep(0.1)
        model = models[state["tenant"]]
        short = model.invoke(f"Shorten {state['text']}").content
        polite = model.invoke(f"Say politely {state['text']}").content
        return {"letters": [f"{short} {polite}"]}

    graph = StateGraph(Letters)
    graph.add_node(letter)
    graph.add_conditional_edges(START, each, ["letter"])
    return graph.compile()


class Barrier(TypedDict, total=False):
    question: str
    slow: str
    quick: str
    after: str


def barrier(model: Any) -> Any:
    """A slow node beside a quick one; what follows the quick one waits for both."""

    def slow(state: Barrier) -> Barrier:
        return {"slow": model.invoke(f"Think slowly of {state['question']}").content}

    def quick(state: Barrier) -> Barrier:
        return {"quick": model.invoke(f"Guess at {state['question']}").content}

    def after(state: Barrier) -> Barrier:
        return {"after": model.invoke(f"Check this guess: {state['quick'].upper()}!").content}

    graph = StateGraph(Barrier)
    for node in (slow, quick, after):
        graph.add_node(node)
    graph.add_edge(START, "slow")
    graph.add_edge(START, "quick")
    graph.add_edge("quick", "after")
    return graph.compile()


class Graded(TypedDict, total=False):
    question: str
    documents: list[str]
    generation: str


def corrective(model: Any) -> Any:
    """Corrective RAG: documents are graded; with too few good ones the question is rewritten."""

    def retrieve(state: Graded) -> Graded:
        question = state["question"]
        return {"documents": [f"Page {n} tells of {question}" for n in range(4)]}

    def grade(state: Graded) -> Graded:
        good = []
        for document in state["documents"]:
            asked = f"Is this relevant to '{state['question']}'? Say yes or no.\n\n{document}"
            if "yes" in model.invoke(asked).content:
                good.append(document)
        return {"documents": good}

    def enough(state: Graded) -> str:
        return "generate" if len(state["documents"]) > 1 else "rewrite"

    def rewrite(state: Graded) -> Graded:
        better = model.invoke(f"Write a better question than '{state['question']}'").content
        return {"question": better, "documents": [f"The web tells of {better}"]}

    def generate(state: Graded) -> Graded:
        context = "\n\n".join(state["documents"])
        return {"generation": model.invoke(f"{context}\n\nQ: {state['question']}").content}

    graph = StateGraph(Graded)
    for node in (retrieve, grade, rewrite, generate):
        graph.add_node(node)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "grade")
    graph.add_conditional_edges("grade", enough)
    graph.add_edge("rewrite", "generate")
    return graph.compile()


def grades(stub: StubOpenAI) -> None:
    """Have the stub find two or more documents relevant in even years, none in odd ones."""

    def graded(request: StubRequest) -> str:
        year = int(re.findall(r"\d{4}", request.prompt)[0])
        return "yes" if year % 2 == 0 and "Page 3" not in request.prompt else "no"

    stub.reply_when("Say yes or no", text=graded)


class Chat(MessagesState):
    kind: str


def conversation(model: Any, checkpointer: Any) -> Any:
    """Each turn is classified and answered, both from the conversation so far."""

    def classify(state: Chat) -> dict[str, str]:
        return {"kind": model.invoke([("system", "Classify."), *state["messages"]]).content}

    def reply(state: Chat) -> dict[str, list[BaseMessage]]:
        return {"messages": [model.invoke([("system", "Answer."), *state["messages"]])]}

    graph = StateGraph(Chat)
    graph.add_sequence([classify, reply])
    graph.add_edge(START, "classify")
    return graph.compile(checkpointer=checkpointer)


def agent(model: Any, called: list[str]) -> Any:
    """A ReAct loop with one tool, which writes down what it was called for."""

    @tool
    def population(city: str) -> str:
        """The population of a city."""
        called.append(city)
        return f"{1000 * len(city)} people live in {city}."

    bound = model.bind_tools([population])

    def think(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [bound.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node(think)
    graph.add_node("tools", ToolNode([population]))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile()


def calls_a_tool(stub: StubOpenAI, cities: Sequence[str]) -> None:
    """Have the stub call the tool for each city that it is asked about, once."""

    def asks_of(city: str) -> Callable[[StubRequest], bool]:
        return lambda request: city in request.prompt and "people live" not in request.prompt

    for city in cities:
        function = {"name": "population", "arguments": json.dumps({"city": city})}
        call = {"id": f"call_{city}", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "stub"}
        content = json.dumps({**reply, "choices": [choice]}).encode()
        stub.reply_when(asks_of(city), content=content)


def reviewed(model: Any, checkpointer: Any) -> Any:
    """A draft that a person approves before it is made into a letter."""

    def draft(state: Views) -> Views:
        return {"causes": model.invoke(f"Draft an answer to {state['question']}").content}

    def review(state: Views) -> Views:
        return {"effects": interrupt({"approve": state["causes"]})}

    def letter(state: Views) -> Views:
        asked = f"Write a letter from {state['causes']}, considering {state['effects']}"
        return {"answer": model.invoke(asked).content}

    graph = StateGraph(Views)
    graph.add_sequence([draft, review, letter])
    graph.add_edge(START, "draft")
    return graph.compile(checkpointer=checkpointer)


def functional(model: Any) -> Any:
    """LangGraph's functional API: two tasks at once, and one that needs both."""

    @task
    def part(kind: str, question: str) -> str:
        return str(model.invoke(f"List the {kind} of {question}").content)

    @entrypoint()
    def essay(question: str) -> str:
        causes, effects = part("causes", question), part("effects", question)
        known = f"{causes.result()}\n{effects.result()}"
        first = model.invoke(f"Criticise: {known}").content
        second = model.invoke(f"Praise: {known}").content
        return f"{first}\n{second}"

    return essay
