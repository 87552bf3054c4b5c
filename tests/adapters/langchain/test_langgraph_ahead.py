"""Graphs of LangGraph whose calls are learned: what goes ahead, and what never does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.profile import ProfileStore
from ayo_bridge.seam import Outcome
from tests.adapters.langchain import graphs
from tests.adapters.python.programs import learned, outcomes, prompts, question
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI, StubRequest

Ask = Callable[[Any, int], Any]


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.03) as made:
        yield made


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def asked(number: int) -> dict[str, str]:
    return {"question": question(number)}


def invoked(graph: Any, number: int) -> Any:
    return graph.invoke(asked(number))


def taught(original: Any, runtime: Runtime, ask: Ask = invoked) -> Any:
    """An accelerated graph that has learned from four calls."""
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        ask(fast, number)
    learned(fast)
    return fast


def call_of(stub: StubOpenAI, text: str) -> StubRequest:
    """The only request that has this text in its prompt."""
    (found,) = (call for call in stub.calls if text in call.prompt)
    return found


def test_a_node_that_needs_nothing_of_the_one_before_it_is_asked_beside_it(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = graphs.views(chat(stub.base_url))
    fast = taught(original, runtime)
    stub.requests.clear()
    answer = fast.invoke(asked(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 2}
    made = prompts(stub)
    assert answer == original.invoke(asked(9))
    assert prompts(stub) == made + made
    assert "effects, line" in str(explain(fast).learning)
    assert "node effects" in str(explain(fast).learning)


async def test_an_asynchronous_run_and_a_stream_are_learned_each_by_itself(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = graphs.views(chat(stub.base_url))
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        await fast.ainvoke(asked(number))
    learned(fast)
    assert await fast.ainvoke(asked(9)) == original.invoke(asked(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 2}


def test_what_follows_a_quick_node_goes_ahead_while_a_slow_one_still_runs(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    """LangGraph's own barrier holds it back until all nodes of the step have ended."""
    stub.reply_when("Think slowly", latency=0.25, text="At length.")
    original = graphs.barrier(chat(stub.base_url))
    fast = taught(original, runtime)
    stub.requests.clear()
    fast_answer = fast.invoke(asked(9))
    slow, after = call_of(stub, "Think slowly"), call_of(stub, "Check this guess")
    assert slow.ended is not None
    assert after.arrived < slow.ended
    stub.requests.clear()
    assert original.invoke(asked(9)) == fast_answer
    slow, after = call_of(stub, "Think slowly"), call_of(stub, "Check this guess")
    assert slow.ended is not None
    assert after.arrived > slow.ended


def test_what_is_sent_to_a_node_is_learned_whether_there_are_several_or_one(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    """One node alone in its step runs in the calling thread; several run in a pool."""
    graphs.names_subjects(stub, counts=(3, 1, 2))
    original = graphs.jokes(chat(stub.base_url))
    fast = accelerate(original, runtime=runtime)
    for number in range(5):
        invoked(fast, number)
    learned(fast)
    hits = {}
    for number in (9, 10, 11):
        given = invoked(fast, number)
        hits[len(given["subjects"])] = outcomes(fast)[Outcome.HIT]
        assert outcomes(fast)[Outcome.WASTED] == 0
        assert given == invoked(original, number)
    assert min(hits.values()) >= 1


def test_nothing_that_is_sent_to_a_node_for_one_tenant_leaves_under_the_name_of_another(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    """So far all was for one tenant, and what is to be asked is known from the input."""
    models = {name: chat(stub.base_url, api_key=f"key-of-{name}") for name in ("ann", "bob")}

    def ask(graph: Any, number: int, *tenants: str) -> Any:
        texts = [f"{question(number)} For {name} as {at}." for at, name in enumerate(tenants)]
        return graph.invoke({"tenants": [*tenants], "texts": texts})

    original = graphs.letters(models, late="bob")
    fast = taught(original, runtime, lambda graph, number: ask(graph, number, "ann", "ann"))
    assert ask(fast, 5, "ann", "ann") == ask(original, 5, "ann", "ann")
    assert outcomes(fast)[Outcome.HIT] >= 1
    for number in (8, 9):
        stub.requests.clear()
        assert ask(fast, number, "ann", "bob") == ask(original, number, "ann", "bob")
        for call in stub.calls:
            name = "ann" if "For ann" in call.prompt else "bob"
            assert call.headers["authorization"] == f"Bearer key-of-{name}"


def test_documents_are_graded_side_by_side_and_an_edge_decides_as_in_the_original(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    graphs.grades(stub)
    original = graphs.corrective(chat(stub.base_url))
    fast = accelerate(original, runtime=runtime)
    for number in range(6):
        invoked(fast, number)
    learned(fast)
    for number in (9, 10):  # Enough are relevant in the one, none in the other.
        stub.requests.clear()
        given = invoked(fast, number)
        assert outcomes(fast)[Outcome.HIT] >= 3
        made = prompts(stub)
        assert given == invoked(original, number)
        assert prompts(stub) == made + made


def test_a_conversation_that_a_checkpointer_holds_is_known(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    model = chat(stub.base_url)
    fast = accelerate(graphs.conversation(model, InMemorySaver()), runtime=runtime)
    original = graphs.conversation(model, InMemorySaver())

    def turn(graph: Any, thread: str, number: int) -> list[str]:
        config = {"configurable": {"thread_id": thread}}
        state = graph.invoke({"messages": [("user", question(number))]}, config)
        return [message.content for message in state["messages"]]

    for number in range(4):
        assert turn(fast, "a", number) == turn(original, "a", number)
    learned(fast)
    for number, thread in enumerate(("b", "b"), 8):
        assert turn(fast, thread, number) == turn(original, thread, number)
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


def test_what_tasks_of_the_functional_interface_have_made_is_known(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = graphs.functional(chat(stub.base_url))
    fast = taught(original, runtime, lambda graph, number: graph.invoke(question(number)))
    stub.requests.clear()
    answer = fast.invoke(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 3}
    made = prompts(stub)
    assert answer == original.invoke(question(9))
    assert prompts(stub) == made + made


def test_a_function_that_runs_a_graph_is_learned_by_the_same_nodes(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    graph = graphs.views(chat(stub.base_url))

    def answer(text: str) -> str:
        return str(graph.invoke({"question": text})["answer"])

    fast = taught(answer, runtime, lambda function, number: function(question(number)))
    assert fast(question(9)) == answer(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 2}
    assert "node effects" in str(explain(fast).learning)


@pytest.mark.parametrize("chosen", [False, True])
def test_a_model_of_a_node_is_known_before_the_run_has_used_it_unless_an_edge_chooses_the_node(
    stub: StubOpenAI, runtime: Runtime, chosen: bool
) -> None:
    original = graphs.chains([chat(stub.base_url), chat(stub.base_url)], chosen)
    fast = taught(original, runtime)
    assert invoked(fast, 9) == invoked(original, 9)
    assert outcomes(fast)[Outcome.HIT] == (0 if chosen else 1)


def test_an_accelerated_graph_runs_ahead_inside_of_another(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    from langgraph.graph import START, StateGraph

    inner = accelerate(graphs.views(chat(stub.base_url)), runtime=runtime)

    def outer(part: Any) -> Any:
        graph = StateGraph(graphs.Views)
        graph.add_node("views", part)
        graph.add_edge(START, "views")
        return graph.compile()

    original = outer(graphs.views(chat(stub.base_url)))
    around = outer(inner)
    for number in range(4):
        invoked(around, number)
    learned(inner)
    assert invoked(around, 9) == invoked(original, 9)
    assert outcomes(inner) == {Outcome.HIT: 1, Outcome.DIRECT: 2}
    assert [name for name, _ in around.get_subgraphs()] == ["views"]
