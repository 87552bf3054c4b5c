"""The run-ahead scope: keys, single flight, cancellation, attribution."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.record import CallRecord
from ayo_bridge.runahead import Plan, Scope, current_scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Waiting
from ayo_bridge.seam import EngineKind, Outcome, entered
from tests.deadline import eventually
from tests.runahead.fakes import CallsOf, GatedEngine, call, open_scope, prefill

TIMEOUT = 20


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
def runtime(engine: GatedEngine) -> Iterator[Runtime]:
    runtime = Runtime()
    runtime.register(engine)
    yield runtime
    runtime.close()


def outcomes(scope: Scope) -> list[str]:
    return [str(c.outcome) for c in scope.record.calls]


def test_the_original_finds_what_ran_ahead(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a")]})
    ticket = scope.claim("a")
    assert ticket is not None
    hit = ticket.wait()
    assert hit is not None
    assert hit.value == "echo a"
    scope.close()
    assert outcomes(scope) == ["hit"]
    assert engine.served == ["a"]


def test_the_nth_occurrence_of_a_key_is_one_request(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a", "first")], "q": [call("a", "second")]})
    tickets = [scope.claim("a"), scope.claim("a"), scope.claim("a")]
    assert tickets[2] is None
    values = [ticket.wait().value for ticket in tickets[:2]]  # type: ignore[union-attr]
    assert values == ["echo first", "echo second"]
    scope.close()


def test_what_the_original_has_asked_already_is_not_asked_again(
    runtime: Runtime, engine: GatedEngine
) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a")]}, ahead=("later",))
    observation = scope.direct("llm", EngineKind.LLM, "a")
    scope.run_ahead("p")
    observation.done("own")
    assert scope.claim("a") is None
    scope.close()
    assert engine.served == []
    assert outcomes(scope) == ["direct"]


def test_a_failure_ahead_is_left_to_the_original(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a", ValueError("no"))]})
    ticket = scope.claim("a")
    assert ticket is not None
    assert ticket.wait() is None
    scope.close()
    assert outcomes(scope) == ["dropped"]


def test_closing_cancels_down_to_the_engine(runtime: Runtime, engine: GatedEngine) -> None:
    scope = open_scope(runtime, {"p": [call("a")], "q": [call("b")]})
    for _ in range(2):
        assert engine.started.acquire(timeout=TIMEOUT)
    scope.close()
    for _ in range(2):
        assert engine.ended.acquire(timeout=TIMEOUT)
    assert sorted(map(str, engine.cancelled)) == ["a", "b"]
    assert outcomes(scope) == ["wasted", "wasted"]


def test_what_was_ahead_in_a_call_that_raised_is_cancelled_and_not_wasted(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": [call("a")], "q": [call("b")]})
    assert scope.claim("a") is not None
    scope.record.error = "CancelledError()"
    scope.close()
    assert outcomes(scope) == ["cancelled", "cancelled"]


def test_a_closed_scope_is_a_pass_through(runtime: Runtime, engine: GatedEngine) -> None:
    scope = open_scope(runtime, {}, ahead=())
    with entered(scope):
        assert current_scope() is scope
        scope.close()
        assert current_scope() is None
    scope.feed({"x": 1})
    assert scope.claim("a") is None
    assert engine.served == []


async def test_a_cancelled_waiter_does_not_cancel_the_result(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": [call("a")]})
    ticket = scope.claim("a")
    assert ticket is not None
    waiter = asyncio.create_task(ticket.wait_async())
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert engine.cancelled == []
    engine.gate.set()
    hit = await ticket.wait_async()
    assert hit is not None
    scope.close()


def test_deterministic_results_serve_equal_calls(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    same = call("a", deterministic=True)
    scope = open_scope(runtime, {"p": [same], "q": [same]})
    tickets = [scope.claim("a"), scope.claim("a")]
    assert [t.wait().value for t in tickets if t] == ["echo a", "echo a"]  # type: ignore[union-attr]
    assert engine.served == ["a"]
    scope.close()


def test_what_the_original_asked_itself_serves_equal_deterministic_calls_of_later(
    runtime: Runtime, engine: GatedEngine
) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a", deterministic=True)]}, ahead=("later",))
    observation = scope.direct("llm", EngineKind.LLM, "a")
    scope.run_ahead("p")
    observation.done("own")
    ticket = scope.claim("a")
    assert ticket is not None
    hit = ticket.wait()
    assert hit is not None
    assert hit.value == "own"
    scope.close()
    assert engine.served == []
    assert outcomes(scope) == ["direct", "hit"]


def test_a_deterministic_result_serves_more_calls_than_were_planned(
    runtime: Runtime, engine: GatedEngine
) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a", deterministic=True), call("b")]})
    for _ in range(3):
        ticket = scope.claim("a")
        assert ticket is not None
        hit = ticket.wait()
        assert hit is not None
        assert hit.value == "echo a"
    assert scope.claim("b") is not None
    assert scope.claim("b") is None  # What samples is consumed once.
    scope.close()
    assert engine.served == ["a", "b"]
    assert [c.outcome for c in scope.record.calls if c.key == "a"] == [Outcome.HIT] * 3


def test_direct_calls_are_mapped_to_primitives_in_order(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": [], "q": []}, ahead=())
    for key in "xyz":
        scope.direct("llm", EngineKind.LLM, key).done(None)
    scope.close()
    primitives = [c.primitive for c in scope.record.calls]
    assert primitives[:2] == ["p", "q"]
    assert primitives[2] in scope.record.e_graph
    assert scope.record.e_graph[primitives[2]].op is Op.HOST


def test_a_maker_that_fails_is_noted_and_harms_nothing(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": []}, maker=CallsOf({}))
    scope.close()
    assert [d.reason for d in scope.record.decisions] == [
        "its calls cannot be made ahead: KeyError('p')"
    ]
    assert engine.served == []


def test_results_flow_to_the_next_primitive(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    graph = Graph([prefill("p"), prefill("q", ["p.out"])], inputs=["question"])
    maker = CallsOf(
        {"p": [call("a")], "q": [call("b")]}, lambda p, results: {p.outputs[0]: results[0]}
    )
    plan = Plan(
        Template(()),
        graph,
        graph,
        ahead=frozenset("pq"),
        makers={("c", Op.PREFILLING): maker},
    )
    scope = Scope(runtime, plan, open_scope(runtime, {}).record)
    scope.start({"question": "?"})
    for _ in range(2):
        assert engine.ended.acquire(timeout=TIMEOUT)
    ticket = scope.claim("b")
    assert ticket is not None
    assert ticket.wait() is not None
    scope.close()


def test_policies_are_told_how_far_a_query_has_come(engine: GatedEngine) -> None:
    seen: dict[str, Waiting] = {}

    def watch(queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
        seen.update((waiting.node, waiting) for waiting in queue)
        return [queue[0]]

    runtime = Runtime(policies=watch, engines=[engine])
    graph = Graph([prefill("p"), prefill("q", ["p.out"]), prefill("r")], inputs=["question"])
    maker = CallsOf(
        {name: [call(name)] for name in "pqr"}, lambda p, results: {p.outputs[0]: results[0]}
    )
    plan = Plan(
        Template(()),
        graph,
        graph,
        ahead=frozenset("pqr"),
        makers={("c", Op.PREFILLING): maker},
        remaining={"p": 3.0, "q": 1.0, "r": 2.0},
    )
    record = CallRecord("query", runtime.clock() - 5.0, plan.template, graph, graph)
    scope = Scope(runtime, plan, record)
    scope.start({"question": "?"})
    try:
        for _ in "pr":  # p must not have ended when r is dispatched
            assert engine.started.acquire(timeout=TIMEOUT)
        engine.gate.set()
        for _ in "pqr":
            assert engine.ended.acquire(timeout=TIMEOUT)
    finally:
        scope.close()
        runtime.close()
    assert {waiting.since for waiting in seen.values()} == {record.started}
    assert {node: waiting.remaining for node, waiting in seen.items()} == plan.remaining
    assert seen["p"].left == seen["r"].left == 3.0
    assert seen["q"].left in (1.0, 2.0), "r may have ended by then"


def test_an_expand_is_replaced_when_its_data_is_there(
    runtime: Runtime, engine: GatedEngine
) -> None:
    engine.gate.set()
    expand = Primitive("e", Op.EXPAND, "c", "llm", inputs=("question",), outputs=("answer",))
    graph = Graph([expand], inputs=["question"])
    plan = Plan(Template(()), graph, graph)
    record = CallRecord("query", runtime.clock(), plan.template, graph, graph)
    scope = Scope(runtime, plan, record)
    scope.start({"question": "?"})
    fragment = Graph([prefill("p"), prefill("q")], inputs=["question"])
    maker = CallsOf({"p": [call("a")], "q": [call("b")]})
    grown = Plan(
        Template(()),
        fragment,
        fragment,
        ahead=frozenset("q"),
        makers={("c", Op.PREFILLING): maker},
    )
    scope.expand("e", grown, {})
    assert scope.claim("a") is None
    assert scope.claim("b") is not None
    assert list(scope.record.e_graph.primitives) == ["p", "q"]
    scope.close()
    assert list(maker.asked) == ["q"]


def test_glue_is_handed_over_once(runtime: Runtime) -> None:
    scope = open_scope(runtime, {})
    scope.hand_over("k", [1])
    hit = scope.handed("k")
    assert hit is not None
    assert hit.value == [1]
    assert scope.handed("k") is None
    scope.close()


def test_closers_run_once_even_when_late(runtime: Runtime) -> None:
    scope = open_scope(runtime, {})
    seen: list[str] = []
    scope.on_close(lambda: seen.append("early"))
    scope.close()
    scope.close()
    scope.on_close(lambda: seen.append("late"))
    assert seen == ["early", "late"]


def test_warms_are_no_tickets(runtime: Runtime, engine: GatedEngine) -> None:
    engine.gate.set()
    scope = open_scope(runtime, {"p": [call("a", warm=True)]})
    assert engine.ended.acquire(timeout=TIMEOUT)
    assert scope.claim("a") is None
    scope.close()
    assert [c.outcome for c in scope.record.calls] == [Outcome.WARM]


def test_a_scope_with_nothing_ahead_keeps_no_account_of_results(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": [call("a")]}, ahead=())
    assert scope.quiet
    scope.direct("llm", EngineKind.LLM, "a").done("own")
    scope.close()
    assert outcomes(scope) == ["direct"]


async def test_who_waits_when_the_call_ends_waits_on_and_is_given_its_result(
    runtime: Runtime, engine: GatedEngine
) -> None:
    scope = open_scope(runtime, {"p": [call("a"), call("b")]})
    ticket = scope.claim("a")
    assert ticket is not None
    waiting = asyncio.ensure_future(ticket.wait_async())
    await asyncio.to_thread(eventually, lambda: len(engine.served) == 2, "the start")
    scope.close()
    await asyncio.to_thread(eventually, lambda: engine.cancelled == ["b"], "the cancelling")
    engine.gate.set()
    hit = await waiting
    assert hit is not None
    assert hit.value == "echo a"


@pytest.mark.parametrize("late", [True, False])
async def test_a_request_ends_with_its_last_waiter(
    runtime: Runtime, engine: GatedEngine, late: bool
) -> None:
    scope = open_scope(runtime, {"p": [call("a")]})
    ticket = scope.claim("a")
    assert ticket is not None
    await asyncio.to_thread(eventually, lambda: engine.served == ["a"], "the start")
    waiting = asyncio.ensure_future(ticket.wait_async(0.05 if late else None))
    await asyncio.sleep(0)  # It waits: its timer is looked at in the next turn of the loop only.
    scope.close()
    assert engine.cancelled == []
    if not late:
        waiting.cancel()
    with pytest.raises(TimeoutError if late else asyncio.CancelledError):
        await waiting
    await asyncio.to_thread(eventually, lambda: engine.cancelled == ["a"], "the cancelling")
