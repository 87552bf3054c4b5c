"""Programs of which anything can be changed after they were learned."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.llms.openai_like import OpenAILike
from pydantic import SecretStr

from tests.adapters.python.programs import Ask, asking
from tests.differential.langchain_parts import chat
from tests.stub_openai import Body, StubOpenAI, hashed_text

PLANS = "Plan"
"""Begins the prompts that are answered by a list."""


def notes(about: str, count: int = 8) -> list[Document]:
    """Short notes that no other collection has."""
    return [
        Document(id=f"{about}-{at}", page_content=f"Note {at} of the {about} archive, box {at * 7}")
        for at in range(count)
    ]


def archive(about: str, stub: StubOpenAI) -> InMemoryVectorStore:
    """A store of notes, embedded by the stub."""
    store = InMemoryVectorStore(
        OpenAIEmbeddings(
            model="stub",
            base_url=stub.base_url,
            api_key=SecretStr("key"),
            check_embedding_ctx_length=False,
        )
    )
    store.add_documents(notes(about))
    return store


@dataclass
class Settings:
    """What is changed while a program is in use."""

    stores: list[InMemoryVectorStore]
    prompt: str = "Judge this note"
    top_k: int = 2
    tools: list[str] = field(default_factory=lambda: ["history", "economy"])


def plans(stub: StubOpenAI, show: Callable[[Sequence[str]], str]) -> None:
    """Have the stub answer what asks for a plan by two steps that follow from the prompt."""

    def text(body: Body) -> str:
        words = hashed_text(body)
        if not str(body.get("messages", [{}])[-1].get("content")).startswith(PLANS):
            return words
        ending = words.rpartition(" ")[2]
        return show([f"{word} of {ending}" for word in words.split()[:2]])

    stub.text = text


def as_lines(steps: Sequence[str]) -> str:
    """One step a line."""
    return "\n".join(steps)


def as_numbers(steps: Sequence[str]) -> str:
    """One numbered step a line, with a line before them."""
    return "Here is a plan:\n" + "\n".join(f"({at}) {step}" for at, step in enumerate(steps))


def as_json(steps: Sequence[str]) -> str:
    """An object with the steps."""
    return json.dumps({"steps": [{"step": step} for step in steps]})


def read(plan: str) -> list[str]:
    """The steps, in whatever form a model has written them."""
    if plan.startswith("{"):
        return [each["step"] for each in json.loads(plan)["steps"]]
    lines = plan.splitlines()
    return [line.partition(") ")[2] or line for line in lines if not line.startswith("Here")]


def answered(query: str, settings: Settings, ask: Ask) -> str:
    """A plan, its steps, a judgement of each note of the first store, what each tool says."""
    steps = [ask(f"Do: {step}") for step in read(ask(f"{PLANS} this: {query}"))]
    first, second = (
        [note.page_content for note in store.similarity_search(query, k=settings.top_k)]
        for store in settings.stores
    )
    judged = [ask(f"{settings.prompt} for '{query}':\n{note}") for note in first]
    said = [ask(f"As one who knows the {tool}: {query}") for tool in settings.tools]
    return ask("Sum up:\n" + "\n".join((*steps, *judged, *said, *second)))


Program = tuple[Any, Callable[[Any, str], str]]
"""What is accelerated, and how it is called."""


def function(stub: StubOpenAI, settings: Settings) -> Program:
    """As a function."""
    ask = asking(stub)

    def answer(query: str) -> str:
        return answered(query, settings, ask)

    return answer, lambda target, query: str(target(query))


def chain(stub: StubOpenAI, settings: Settings) -> Program:
    """As a chain of LangChain."""
    model = chat(stub.base_url)

    def ask(prompt: str) -> str:
        return str(model.invoke(prompt).content)

    made: Any = RunnableLambda(lambda query: answered(query, settings, ask))
    return made | (lambda text: text.strip()), lambda target, query: str(target.invoke(query))


class Engine(CustomQueryEngine):
    """The same as a query engine of LlamaIndex."""

    llm: OpenAILike
    settings: Any

    def custom_query(self, query_str: str) -> str:
        """The answer."""
        return answered(query_str, self.settings, lambda prompt: self.llm.complete(prompt).text)


def engine(stub: StubOpenAI, settings: Settings) -> Program:
    """As a query engine of LlamaIndex."""
    llm = OpenAILike(
        model="stub", api_base=stub.base_url, api_key="key", is_chat_model=True, temperature=0.0
    )
    return Engine(llm=llm, settings=settings), lambda target, query: str(target.query(query))


PROGRAMS: dict[str, Callable[[StubOpenAI, Settings], Program]] = {
    "function": function,
    "chain": chain,
    "engine": engine,
}
