"""A graph of LangGraph that is accelerated does what the original does, and is what it is."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from ayo_bridge import explain, stats
from ayo_bridge.lift.subclass import state_of
from tests.adapters.langchain import graphs
from tests.adapters.python.programs import learned, question
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]
_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.+]+|(?:chatcmpl|cmpl)-\w+|'created': \d+"
    r"|0x[0-9a-f]+|node_first_attempt_time=[\d.]+"
)
MODES: Sequence[tuple[Any, bool]] = (
    *(("values", False), ("updates", True), ("values", True), ("updates", False)),
    *(("values", False), ("messages", True), ("custom", False), ("debug", True)),
    *((["values", "updates", "custom"], False), (["messages", "debug"], True)),
)
"""And whether subgraphs are streamed, too. The first ones are learned from."""


def shown(value: object) -> str:
    """A value without what is drawn at random and what a clock says."""
    return _RANDOM.sub("#", repr(value))


def asked(number: int) -> dict[str, str]:
    return {"question": question(number)}


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def nested(model: Any, **compiled: Any) -> Any:
    """A graph with the other one as its only node."""
    graph = StateGraph(graphs.Views)
    graph.add_node("views", graphs.views(model))
    graph.add_edge(START, "views")
    return graph.compile(**compiled)


def test_its_type_and_its_looks(stub: StubOpenAI, fast: Accelerate) -> None:
    original = nested(chat(stub.base_url))
    accelerated = fast(original)
    assert type(accelerated).__name__ == "CompiledStateGraph"
    assert isinstance(accelerated, CompiledStateGraph)
    assert accelerated.get_name() == original.get_name()
    for xray in (False, True):
        drawn = accelerated.get_graph(xray=xray)
        assert drawn.draw_mermaid() == original.get_graph(xray=xray).draw_mermaid()
        assert drawn.to_json() == original.get_graph(xray=xray).to_json()
    assert accelerated.get_input_jsonschema() == original.get_input_jsonschema()
    assert accelerated.get_output_jsonschema() == original.get_output_jsonschema()
    assert [name for name, _ in accelerated.get_subgraphs()] == ["views"]
    assert accelerated.builder is original.builder
    assert state_of(original) is None
    assert "not known" not in explain(accelerated).full()


def test_its_copies_are_accelerated(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(graphs.views(chat(stub.base_url)))
    original = graphs.views(chat(stub.base_url))
    for other in (
        accelerated.with_config(tags=["t"], recursion_limit=7),
        accelerated.copy({"name": "other"}),
        copy.copy(accelerated),
    ):
        assert isinstance(other, CompiledStateGraph)
        assert state_of(other) is not None
        assert other.invoke(asked(1)) == original.invoke(asked(1))
    assert accelerated.with_config(recursion_limit=7).config["recursion_limit"] == 7
    assert accelerated.config is original.config or accelerated.config == original.config


async def test_it_streams_what_the_original_streams_in_every_mode(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    original = nested(chat(stub.base_url))
    accelerated = fast(original)
    for number, (mode, subgraphs) in enumerate(MODES):
        how: Any = {"stream_mode": mode, "subgraphs": subgraphs}
        chunks = list(accelerated.stream(asked(number), **how))
        assert shown(chunks) == shown(list(original.stream(asked(number), **how)))
        later = [each async for each in accelerated.astream(asked(number), **how)]
        expected = [each async for each in original.astream(asked(number), **how)]
        assert shown(later) == shown(expected)


async def test_its_events_are_those_of_the_original(stub: StubOpenAI, fast: Accelerate) -> None:
    stub.latency = 0.03  # There is to be something to gain.
    original = graphs.views(chat(stub.base_url))
    accelerated = fast(original)
    for number in range(5):
        events = [each async for each in accelerated.astream_events(asked(number), version="v2")]
        expected = [each async for each in original.astream_events(asked(number), version="v2")]
        assert shown(events) == shown(expected)
        if number == 3:
            learned(accelerated)


async def test_batches_are_those_of_the_original(stub: StubOpenAI, fast: Accelerate) -> None:
    original = graphs.views(chat(stub.base_url))
    accelerated = fast(original)
    inputs = [asked(number) for number in range(5)]
    for _ in range(2):
        assert accelerated.batch(inputs) == original.batch(inputs)
        assert await accelerated.abatch(inputs) == await original.abatch(inputs)


def test_each_error_is_the_originals(stub: StubOpenAI, fast: Accelerate) -> None:
    original = graphs.views(chat(stub.base_url))
    accelerated = fast(original)
    for given in ({}, {"question": question(0), "unknown": 1}, None, "text"):
        raised = []
        for graph in (original, accelerated):
            try:
                raised.append(repr(graph.invoke(given)))
            except Exception as error:
                raised.append(f"{type(error).__name__}: {error}")
        assert raised[0] == raised[1]


class CountingSaver(InMemorySaver):
    """Counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self.written += 1
        return super().put(*args, **kwargs)

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        self.written += 1
        super().put_writes(*args, **kwargs)


def test_a_conversation_leaves_the_checkpoints_of_the_original(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    stub.latency = 0.03  # There is to be something to gain.
    model, savers = chat(stub.base_url), (CountingSaver(), CountingSaver())
    original = graphs.conversation(model, savers[0])
    accelerated = fast(graphs.conversation(model, savers[1]))
    for number in range(7):
        config = thread("ab"[number % 2])
        given = {"messages": [("user", question(number))]}
        assert shown(accelerated.invoke(given, config)) == shown(original.invoke(given, config))
        if number == 4:
            learned(accelerated)
    assert savers[0].written == savers[1].written
    for name in "ab":
        states = [
            shown(list(graph.get_state_history(thread(name)))) for graph in (original, accelerated)
        ]
        assert states[0] == states[1]
    for graph in (original, accelerated):
        graph.update_state(thread("a"), {"kind": "changed"}, as_node="classify")
    assert shown(accelerated.get_state(thread("a"))) == shown(original.get_state(thread("a")))
    assert accelerated.get_state(thread("a")).next == ("reply",)
    assert shown(accelerated.invoke(None, thread("a"))) == shown(original.invoke(None, thread("a")))


def test_two_threads_of_conversations_run_at_once(stub: StubOpenAI, fast: Accelerate) -> None:
    model = chat(stub.base_url)
    original = graphs.conversation(model, InMemorySaver())
    accelerated = fast(graphs.conversation(model, InMemorySaver()))

    def talk(graph: Any, name: str) -> list[str]:
        first = ord(name)
        return [
            shown(graph.invoke({"messages": [("user", question(first * 9 + turn))]}, thread(name)))
            for turn in range(5)
        ]

    expected = [talk(original, name) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda name: talk(accelerated, name), "ab")) == expected


async def test_it_is_interrupted_and_resumed(stub: StubOpenAI, fast: Accelerate) -> None:
    model = chat(stub.base_url)
    original = graphs.reviewed(model, InMemorySaver())
    accelerated = fast(graphs.reviewed(model, InMemorySaver()))
    for number in range(6):
        config = thread(f"t{number}")
        paused = accelerated.invoke(asked(number), config)
        assert shown(paused) == shown(original.invoke(asked(number), config))
        assert "__interrupt__" in paused
        resume: Any = Command(resume=f"as of {number}")
        done = await accelerated.ainvoke(resume, config)
        assert shown(done) == shown(await original.ainvoke(resume, config))


def test_an_agents_tools_run_as_often_as_in_the_original(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    cities = ("Oslo", "Lima", "Cairo", "Quito", "Hanoi")
    graphs.calls_a_tool(stub, cities)
    model, called = chat(stub.base_url), (list[str](), list[str]())
    original = graphs.agent(model, called[0])
    accelerated = fast(graphs.agent(model, called[1]))
    for city in cities:
        given = {"messages": [("user", f"What is the population of {city}?")]}
        assert shown(accelerated.invoke(given)) == shown(original.invoke(given))
    assert called[0] == called[1] == list(cities)


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
def test_the_prebuilt_agent_is_accepted(stub: StubOpenAI, fast: Accelerate) -> None:
    from langgraph.prebuilt import create_react_agent

    original = create_react_agent(chat(stub.base_url), [], prompt="Be brief.")
    accelerated = fast(original)
    for number in range(5):
        given = {"messages": [("user", question(number))]}
        assert shown(accelerated.invoke(given)) == shown(original.invoke(given))
    assert stats(accelerated).calls == 5


async def test_the_functional_interface_is_accepted(stub: StubOpenAI, fast: Accelerate) -> None:
    original = graphs.functional(chat(stub.base_url))
    accelerated = fast(original)
    for number in range(5):
        assert accelerated.invoke(question(number)) == original.invoke(question(number))
        chunks = accelerated.stream(question(number), stream_mode="updates")
        expected = original.stream(question(number), stream_mode="updates")
        assert sorted(map(repr, chunks)) == sorted(map(repr, expected))  # Tasks race.
