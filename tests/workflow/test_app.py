"""Whole queries on the virtual clock: optimised and not, side by side."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.graph import Graph, Op, Primitive, SynthesisMode
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from ayo_bridge.simulate import run_virtual
from ayo_bridge.workflow import App, Generate, Ingest, Result, Workflow
from tests.workflow.engines import LLM, PROFILES, Engine, Engines
from tests.workflow.workflows import DOCUMENTS, EXPAND, QUESTION, SEARCH, advanced, direct


def asked_for(call: Call) -> str:
    """The prompt of a call of an LLM."""
    assert isinstance(call.payload, Generate)
    return call.payload.text


def once(engines: Engines, inputs: Mapping[str, object], workflow: Workflow) -> Result:
    async def main() -> Result:
        return await engines.app.submit(inputs, workflow)

    return run_virtual(main())


@pytest.mark.parametrize("chunks", [3, None, 5])
@pytest.mark.parametrize("mode", [m for m in SynthesisMode if m is not SynthesisMode.NONE])
def test_optimised_gives_the_same_values_and_is_earlier(
    mode: SynthesisMode, chunks: int | None
) -> None:
    before = once(Engines(passes=()), QUESTION, advanced(mode, chunks))
    after = once(Engines(), QUESTION, advanced(mode, chunks))
    for name in ("index.stored", "expand.queries", "search.hits", "rerank.ranked", "answer.answer"):
        assert after[name] == before[name]
    assert after.output == after["answer.answer"]
    assert isinstance(after.output, str)
    assert after.seconds < before.seconds


def test_a_program_order_graph_takes_the_sum_of_its_calls() -> None:
    result = once(Engines(passes=()), {"question": "why?"}, EXPAND >> SEARCH)
    calls = [
        0.03 + 64 * 0.0002 + 64 * 0.02,  # prefilling and decoding of the expansion
        0.01 + 4 * 0.002,
        0.01 + 4 * 0.002,
    ]
    assert result.seconds == pytest.approx(sum(calls))
    assert result.timings["search.embed"].started == pytest.approx(calls[0])
    assert result.timings["expand.prefill"].ended == pytest.approx(calls[0])
    assert all(timing.ended is not None for timing in result.timings.values())


def test_the_answer_sees_what_the_retrieval_found() -> None:
    engines = Engines()
    result = once(engines, QUESTION, advanced(SynthesisMode.ONE_SHOT))
    asked = [r.text for r in engines.llm.served if isinstance(r, Generate)][-1]
    ranked = result["rerank.ranked"]
    assert isinstance(ranked, list)
    assert len({item.text for item in ranked}) == 3
    assert all(item.text in asked for item in ranked)
    assert "Question: why?" in asked


def test_every_document_is_stored_once_however_many_the_query_brings() -> None:
    async def main() -> list[Engines]:
        engines = Engines()
        sizes = (40, 7, 90, 1)
        await asyncio.gather(
            *(
                engines.app.submit(
                    {"question": f"{n}?", "documents": [f"{n}: {i}" for i in range(n)]}, advanced()
                )
                for n in sizes
            )
        )
        return [engines]

    (engines,) = run_virtual(main())
    stored = sorted(len(documents) for documents in engines.store.documents.values())
    assert stored == [1, 7, 40, 90]
    for documents in engines.store.documents.values():
        assert documents == [f"{len(documents)}: {i}" for i in range(len(documents))]


def test_shapes_are_kept_and_values_are_not() -> None:
    engines = Engines()
    first = engines.app.plan(QUESTION, advanced())
    other = {"question": "how?", "documents": [f"other {i}" for i in range(40)]}
    assert engines.app.plan(other, advanced()) is first
    assert engines.app.plan({**other, "documents": DOCUMENTS[:3]}, advanced()) is not first
    one = once(engines, QUESTION, advanced())
    two = once(engines, other, advanced())
    assert one.output != two.output
    hits, others = one["search.hits"], two["search.hits"]
    assert isinstance(hits, list)
    assert isinstance(others, list)
    assert not set(hits) & set(others)


def test_a_profile_registered_with_its_engine_counts_from_then_on() -> None:
    def stages(app: App) -> int:
        return sum(p.op is Op.EMBEDDING for p in app.plan(QUESTION, advanced()).e_graph)

    whole, cut = App(), App()
    for app in (whole, cut):
        for name, kind in (("llm", EngineKind.LLM), ("pg", EngineKind.VECTOR_STORE)):
            app.register(Engine(name, kind), profile=PROFILES[name])
        app.register(Engine("cross", EngineKind.RERANKER))
    whole.register(Engine("bge", EngineKind.EMBEDDING))
    cut.register(Engine("bge", EngineKind.EMBEDDING), profile=PROFILES["bge"])
    assert stages(cut) == stages(whole) + 2  # 40 documents, b* of 16


def test_hundreds_of_queries_at_once_complete() -> None:
    async def main() -> list[Result]:
        engines = Engines(policies="throughput")
        return await asyncio.gather(
            *(
                engines.app.submit({"question": f"{i}?", "documents": DOCUMENTS[:2]}, advanced())
                for i in range(400)
            )
        )

    results = run_virtual(main())
    assert len({result.output for result in results}) == 400


def test_the_same_submissions_take_the_same_time_again() -> None:
    async def main() -> list[float]:
        app = Engines().app
        submitted = [app.submit({**QUESTION, "question": f"{i}"}, advanced()) for i in range(5)]
        return [result.ended for result in await asyncio.gather(*submitted)]

    assert run_virtual(main()) == run_virtual(main())


# Engines and primitives of one's own.


class Doubler(BatchEngine):
    """A batch engine: runs in a thread."""

    name = "double"
    kind = EngineKind.EMBEDDING
    limits = Limits()

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        return [[int(text) * 2 for text in call.payload.texts] for call in calls]  # type: ignore[attr-defined]


async def test_primitives_wired_by_hand_run_on_a_real_loop_and_in_threads() -> None:
    graph = Graph(
        [
            Primitive("embed", Op.EMBEDDING, "a", "double", ("numbers",), ("doubled",)),
            Primitive("sum", Op.HOST, "b", inputs=("doubled",), outputs=("sum",)),
        ],
        inputs=["numbers"],
    )
    app = App(handlers={"b": lambda doubled: sum(item.vector for item in doubled)})
    app.register(Doubler())
    try:
        result = await app.submit({"numbers": ["1", "2", "3"]}, graph)
    finally:
        app.close()
    assert result.output == 12
    assert result.timings["embed"].ended is not None


def test_an_aggregate_of_ones_own_takes_whole_values_however_they_were_cut() -> None:
    p_graph = Engines().app.plan({"question": "?"}, EXPAND >> SEARCH).p_graph
    count = Primitive(
        *("count", Op.AGGREGATE, "count"), inputs=("search.hits", "question"), outputs=("counted",)
    )
    graph = Graph([*p_graph, count], inputs=p_graph.inputs, order=p_graph.order)
    handlers = {("count", Op.AGGREGATE): lambda hits, question: (len(hits), question)}
    before = once(Engines(passes=(), handlers=handlers), {"question": "?"}, graph)
    after = once(Engines(handlers=handlers), {"question": "?"}, graph)
    assert len(after.e_graph["count"].inputs) > 2
    assert after["counted"] == before["counted"]


def test_an_engine_with_requests_of_its_own_is_given_a_translation() -> None:
    class Numbers(Engine):
        async def answer(self, request: object, call: Call) -> object:
            assert isinstance(request, int)
            return request + 1

    async def main() -> object:
        app = App()
        app.register(
            Numbers("llm", EngineKind.LLM, Limits(continuous=True)),
            ask=lambda call: len(asked_for(call)),
            answer=lambda call, number: f"{number} characters after {asked_for(call)!r}",
        )
        return (await app.submit({"question": "x"}, direct())).output

    answered = str(run_virtual(main()))
    assert answered.endswith("'Answer the question.\\n\\nQuestion: x'")
    assert answered.startswith("34 characters")


def test_writes_are_made_once_and_in_order_of_the_graph() -> None:
    engines = Engines()
    once(engines, QUESTION, advanced())
    written = [r.items for r in engines.store.served if isinstance(r, Ingest)]
    assert [item.text for items in written for item in items] == DOCUMENTS  # type: ignore[attr-defined]


class Quick(LLM):
    """Takes no time, and streams."""

    async def answer(self, request: object, call: Call) -> object:
        assert isinstance(request, Generate)
        if request.on_text is not None:
            request.on_text("ab")
            request.on_text("abc")
        return "abc"


def test_the_runtime_serves_queries_of_another_loop() -> None:
    runtime = Runtime(measure=False)
    app = App(runtime)
    app.register(Quick())

    async def main() -> None:
        assert (await app.submit({"question": "why?"}, direct())).output == "abc"
        pieces = [piece async for piece in app.stream({"question": "why?"}, direct())]
        assert pieces == ["ab", "c"]

    try:
        asyncio.run(main())
    finally:
        runtime.close()


def test_one_app_serves_one_loop_at_a_time() -> None:
    app = App()
    app.register(Quick())

    async def main() -> None:
        assert (await app.submit({"question": "why?"}, direct())).output == "abc"

    async def elsewhere() -> None:
        with pytest.raises(AyoBridgeError, match="another event loop"):
            await main()

    async def both() -> None:
        await main()
        await asyncio.to_thread(lambda: asyncio.run(elsewhere()))

    asyncio.run(main())
    asyncio.run(both())
