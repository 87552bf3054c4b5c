"""Hooks and bindings leave no trace in the libraries that they were on, whatever was done there."""

import asyncio
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import openai  # noqa: F401  Libraries whose attributes are compared, as the next two are.
import psycopg  # noqa: F401
import pytest
import sentence_transformers  # noqa: F401
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike
from pydantic import SecretStr

from ayo_bridge import accelerate, stats
from ayo_bridge.adapter import adapters
from ayo_bridge.autorun import start
from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift.hooked import below
from tests.stub_openai import StubOpenAI

ROOTS = {
    *("llama_index", "llama_index_instrumentation", "workflows"),
    *("langchain", "langchain_classic", "langchain_core", "langchain_openai"),
    *("langchain_text_splitters", "langchain_huggingface", "langchain_postgres", "langgraph"),
    *("openai", "httpx", "httpcore", "sentence_transformers", "psycopg", "psycopg_pool"),
}
STANDARD = ("asyncio", "asyncio.base_events", "asyncio.tasks", "concurrent.futures.thread")
OF_ITS_OWN = ("__abstractmethods__", "_abc_impl", "__static_attributes__", "_last_v6_timestamp")
"""What Python and the libraries write there themselves."""
Held = dict[tuple[int, str], tuple[str, Any]]


def held() -> Held:
    """What all modules and classes of the libraries hold; with the name of the place."""
    modules = {
        name: module
        for name, module in sys.modules.copy().items()
        if isinstance(module, ModuleType) and (_is_theirs(name) or name in STANDARD)
    }
    places: dict[int, tuple[str, Any]] = {}
    for name, module in modules.items():
        places[id(module)] = name, module
        for value in vars(module).copy().values():
            if isinstance(value, type) and (_is_theirs(value.__module__) or name in STANDARD):
                places[id(value)] = f"{value.__module__}.{value.__qualname__}", value
    return {
        (key, attribute): (f"{name}.{attribute}", value)
        for key, (name, place) in places.items()
        for attribute, value in dict(vars(place)).items()
        if attribute not in OF_ITS_OWN
    }


def _is_theirs(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in ROOTS


@pytest.fixture
def unbound() -> Iterator[None]:
    """No binding is on, as in a new process."""
    on: list[Binding] = [b for each in adapters() for b in each.followed() if b.followed]
    for binding in on:
        binding.uninstall()
    yield
    for binding in on:
        binding.install()


def programs(url: str) -> list[Any]:
    """Calls of both frameworks: lifted, learned, of graphs, whole and streamed, on a loop."""
    model = ChatOpenAI(model="stub", base_url=url, api_key=SecretStr("k"))
    about: Any = RunnableLambda(lambda text: f"About {text}")
    chain = about | model | StrOutputParser()
    two: Any = RunnableLambda(lambda text: chain.invoke(text) + chain.invoke(f"not {text}"))
    graph: Any = StateGraph(dict)
    graph.add_node("ask", lambda state: {"answer": chain.invoke(state["text"])})
    graph.add_edge(START, "ask")
    llm = OpenAILike(model="stub", api_base=url, api_key="k", is_chat_model=True)
    nodes = [TextNode(text=f"Text {number}. " * 20, id_=str(number)) for number in range(3)]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(8))
    return [two, graph.compile(), index.as_query_engine(llm=llm, response_mode="accumulate")]


def used(url: str, *, fast: bool) -> None:
    """Call all of them; ``fast``: once more as `accelerate` returns them."""
    two, graph, engine = programs(url)
    for kind in ("plain", "accelerated") if fast else ("plain",):
        if kind == "accelerated":
            two, graph, engine = accelerate(two), accelerate(graph), accelerate(engine)
        for number in range(5):
            two.invoke(f"{kind} {number}")
        assert [*two.stream(kind)]
        graph.invoke({"text": kind})
        engine.query(kind)
        asyncio.run(engine.aquery(f"{kind} on a loop"))
    if fast:
        assert stats(engine).hits


@pytest.mark.usefixtures("unbound")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # The frameworks' clients are not closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_attribute_of_every_library_is_the_very_same_after_all_was_put_back(
    stub_openai: StubOpenAI,
) -> None:
    stub_openai.latency = 0.0
    used(stub_openai.base_url, fast=False)  # What the libraries make when first called is there.
    before = held()
    start.install()
    try:
        used(stub_openai.base_url, fast=True)
        during = held()
    finally:
        start.uninstall()
    after = held()
    changed = {name for key, (name, value) in during.items() if _was(before, key) is not value}
    assert {name.rpartition(".")[2] for name in changed} >= {"query", "invoke", "send", "encode"}
    known = {place for place, _ in before}
    left = {
        name
        for key, (name, value) in after.items()
        if (_was(before, key) is not value if key[0] in known else _is_ours(value))
        and not (key not in before and _is_imported(value))
    }
    gone = {name for key, (name, _) in before.items() if key not in after}
    assert (left, gone) == (set(), set())


def _was(before: Held, key: tuple[int, str]) -> object:
    return before[key][1] if key in before else before


def _is_imported(value: object) -> bool:
    """Whether a library gives a name of its own only once somebody asks for it, or imports it."""
    return isinstance(value, ModuleType | type)


def _is_ours(value: object) -> bool:
    """Whether a wrapper stands in what was imported meanwhile."""
    wrapper = getattr(value, "_self_wrapper", None)
    return below(value) is not value or getattr(wrapper, "__module__", "").startswith("ayo_")
