"""Answers of several items, graphs that grow, text that is streamed."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

import pytest

from ayo_bridge.errors import GraphError, PrimitiveError
from ayo_bridge.graph import (
    Contextualising,
    Graph,
    Indexing,
    Op,
    Opaque,
    Primitive,
    QueryExpansion,
    SearchApi,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.passes import PIPELINE
from ayo_bridge.simulate import run_virtual
from ayo_bridge.workflow import Generate, Ingest, LanguageModel, Result, SubGraph, Workflow, lines
from ayo_bridge.workflow.engines import Tool
from tests.workflow.engines import Engines
from tests.workflow.workflows import DOCUMENTS, EXPAND, QUESTION, RERANK, SEARCH, advanced, direct

RETRIEVAL = EXPAND >> SEARCH >> RERANK
VALUES = ("expand.queries", "search.hits", "rerank.ranked", "answer.answer")


def once(engines: Engines, inputs: Mapping[str, object], workflow: Workflow) -> Result:
    async def main() -> Result:
        return await engines.app.submit(inputs, workflow)

    return run_virtual(main())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9])
def test_however_many_items_a_decode_has_all_are_used(count: int) -> None:
    before = once(Engines(count, passes=()), QUESTION, advanced())
    engines = Engines(count)
    after = once(engines, QUESTION, advanced())
    assert any(p.op is Op.PARTIAL_DECODING for p in after.e_graph)
    assert len(after["expand.queries"]) == count  # type: ignore[arg-type]
    assert len(after["search.hits"]) == 16 * (1 + count)  # type: ignore[arg-type]
    for name in VALUES:
        assert after[name] == before[name]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9])
def test_each_item_of_a_plan_is_a_call_of_its_own(count: int) -> None:
    plan = QueryExpansion(name="plan", llm="llm", queries=3, tokens=60)
    act = SearchApi(name="act", api="tools", inputs=("plan.queries",), calls=3)

    async def tool(step: str) -> str:
        await asyncio.sleep(0.1)
        return step.upper()

    results = []
    for passes in ((), PIPELINE):
        engines = Engines(count, passes=passes)
        engines.app.register(Tool("tools", tool))
        results.append(once(engines, {"question": "why?"}, plan >> act))
    before, after = results
    assert any(p.op is Op.API_CALL and p.stage == 2 for p in after.e_graph)
    steps = before["plan.queries"]
    assert isinstance(steps, list)
    assert len(steps) == count
    assert after["act.results"] == before["act.results"] == [step.upper() for step in steps]
    if count >= 3:  # The first starts when its line is there.
        first = after.timings["act.call[0]"]
        assert first.dispatched < after.timings["act.call[2]"].dispatched
        assert before.timings["act.call"].batch == 1
    # Side by side: no second tenth of a second for the second call.
    assert after.seconds <= before.seconds < before.timings["act.call"].dispatched + 0.15


def test_an_item_starts_what_follows_while_the_rest_is_decoded() -> None:
    result = once(Engines(), QUESTION, RETRIEVAL)
    decoded = result.timings["expand.decode[2]"].ended
    first = result.timings["search.search[expand.queries][0]"].ended
    assert decoded is not None
    assert first is not None
    assert first < decoded


def test_an_item_that_changes_after_it_was_passed_on_is_an_error() -> None:
    def fickle(text: str, ended: bool) -> list[object]:
        return [f"{item} {ended}" for item in lines(text, ended)]

    engines = Engines(handlers={("expand", Op.PREFILLING): LanguageModel(parse=fickle)})
    with pytest.raises(PrimitiveError, match=r"expand.prefill.*passed on with another value"):
        once(engines, QUESTION, RETRIEVAL)


@pytest.mark.parametrize("mode", [SynthesisMode.REFINE, SynthesisMode.TREE])
@pytest.mark.parametrize("found", [0, 1, 2, 7])
def test_fewer_or_more_contexts_than_calls(mode: SynthesisMode, found: int) -> None:
    documents = [f"found {i}" for i in range(found)]
    synthesis = Synthesis(
        name="answer", llm="llm", mode=mode, chunks=3, inputs=("question", "found")
    )
    engines = Engines()
    result = once(engines, {"question": "why?", "found": documents}, synthesis)
    asked = [r.text for r in engines.llm.served if isinstance(r, Generate) and r.max_tokens > 1]
    assert len(asked) == max(min(found, 3), 1) + (mode is SynthesisMode.TREE)
    assert all(sum(document in text for text in asked) == 1 for document in documents)
    assert isinstance(result.output, str)


def test_contexts_are_written_for_each_chunk_and_stored_with_it() -> None:
    contextual = Contextualising(name="contexts", llm="llm") >> Indexing(
        name="index", embedding="bge", store="pg"
    )
    engines = Engines()
    result = once(engines, {"documents": DOCUMENTS[:5]}, contextual)
    stored = [i.text for r in engines.store.served if isinstance(r, Ingest) for i in r.items]  # type: ignore[attr-defined]
    assert stored == result["contexts.contexts"]
    assert [text.splitlines()[-1] for text in stored] == DOCUMENTS[:5]
    assert len(engines.llm.served) == 5


# Graphs that grow.


def test_a_plan_becomes_parallel_calls_and_what_follows_waits_for_them() -> None:
    def plan(text: str) -> SubGraph:
        tools = [
            Primitive(f"tool{i}", Op.HOST, "tool", inputs=("question",), outputs=(f"said{i}",))
            for i in range(len(text))
        ]
        said = tuple(tool.outputs[0] for tool in tools)
        join = Primitive("join", Op.AGGREGATE, "tool", inputs=said, outputs=("said",))
        return SubGraph(Graph([*tools, join], inputs=["question"]))

    async def tool(question: str) -> str:
        await asyncio.sleep(1)
        return f"about {question}"

    graph = Graph(
        [
            Primitive("plan", Op.EXPAND, "plan", inputs=("question",), outputs=("said",)),
            Primitive("end", Op.HOST, "end", inputs=("said",), outputs=("answer",)),
            Primitive("after", Op.HOST, "after", inputs=("question",), outputs=("log",)),
        ],
        inputs=["question"],
        order=[("plan", "after")],
    )

    async def main() -> tuple[Result, Result]:
        app = Engines(passes=(), handlers={"plan": plan, "tool": tool, "end": len}).app
        one, two = (app.submit({"question": q}, graph) for q in ("abc", "a"))
        return await asyncio.gather(one, two)

    one, two = run_virtual(main())
    assert (one["answer"], two["answer"]) == (3, 1)
    assert one.seconds == 1
    assert one.timings["after"].dispatched == 1
    assert "plan" not in one.e_graph


def test_a_sub_graph_that_does_not_make_what_is_wanted_is_refused() -> None:
    empty = SubGraph(Graph([]))
    engines = Engines(handlers={"plan": lambda _: empty})
    graph = Graph(
        [Primitive("plan", Op.EXPAND, "plan", inputs=("question",), outputs=("said",))],
        inputs=["question"],
    )
    with pytest.raises(PrimitiveError, match="does not make said"):
        once(engines, {"question": ""}, graph)


def test_a_handler_that_makes_too_little_is_named() -> None:
    engines = Engines(handlers={"own": lambda _: ("a", "b")})
    wanted = Opaque(name="own", inputs=("question",), outputs=("a", "b", "c"))
    with pytest.raises(PrimitiveError, match=r"own.host.*a, b, c"):
        once(engines, {"question": ""}, wanted)


def test_a_query_that_nothing_can_end_fails_and_does_not_hang() -> None:
    graph = Graph(
        [Primitive("d", Op.DECODING, "c", "llm", ("question",), ("answer",))], inputs=["question"]
    )
    with pytest.raises(GraphError, match="still wait: d"):
        once(Engines(), {"question": ""}, graph)


# Streams.


@pytest.mark.parametrize("mode", [m for m in SynthesisMode if m is not SynthesisMode.NONE])
@pytest.mark.parametrize("chunks", [3, None])
def test_a_stream_is_the_text_of_the_answer(mode: SynthesisMode, chunks: int | None) -> None:
    async def main() -> None:
        app = Engines().app
        pieces = [piece async for piece in app.stream(QUESTION, advanced(mode, chunks))]
        assert "".join(pieces) == (await app.submit(QUESTION, advanced(mode, chunks))).output
        assert len(pieces) == (1 if mode is SynthesisMode.ACCUMULATE else 2)

    run_virtual(main())


def test_the_first_piece_comes_before_the_last_is_decoded() -> None:
    async def main() -> None:
        loop, app = asyncio.get_running_loop(), Engines().app
        times = [loop.time() async for _ in app.stream({"question": "why?"}, direct())]
        assert times[1] - times[0] == pytest.approx(128 * 0.02 / 2)

    run_virtual(main())


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_stream_that_is_closed_cancels_its_query(pieces: int) -> None:
    async def main() -> None:
        engines = Engines()
        async with aclosing(engines.app.stream({"question": "why?"}, direct())) as stream:
            for _ in range(pieces):
                await anext(stream)
        await asyncio.sleep(0.001)
        assert not engines.running
        assert len(engines.llm.cancelled) == pieces

    run_virtual(main())


def test_a_stream_ends_with_the_error_of_its_query() -> None:
    async def main() -> None:
        app = Engines().app
        app.handle("answer", LanguageModel(lambda work: str(1 / 0)))
        stream = app.stream({"question": "why?"}, direct())
        with pytest.raises(PrimitiveError, match=r"answer.prefill\[0\].*ZeroDivisionError"):
            await anext(stream)

    run_virtual(main())


def test_a_stream_that_is_too_late_says_so() -> None:
    async def main() -> None:
        stream = Engines().app.stream({"question": "why?"}, direct(), timeout=2)
        assert await anext(stream) == "answer "
        with pytest.raises(TimeoutError):
            await anext(stream)

    run_virtual(main())
