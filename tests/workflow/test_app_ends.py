"""Whole queries that end otherwise: cancelled, too late, with an error, without their warm."""

import asyncio
from dataclasses import replace

import pytest

from ayo_bridge.errors import EngineUnavailableError, GraphError, PrimitiveError, QueryTimeoutError
from ayo_bridge.graph import Op, SynthesisMode, flow
from ayo_bridge.passes import PIPELINE, PrefillingSplit
from ayo_bridge.seam import Call, EngineKind, Limits
from ayo_bridge.simulate import run_virtual
from ayo_bridge.workflow import App, Result
from tests.workflow.engines import LLM, PROFILES, Engine, Engines
from tests.workflow.workflows import EXPAND, QUESTION, SEARCH, advanced, direct, synthesis


@pytest.mark.parametrize("after", [0.0, 0.005, 0.1, 1.0])
def test_cancelling_reaches_the_engines(after: float) -> None:
    async def main() -> Engines:
        engines = Engines()
        task = asyncio.create_task(engines.app.submit(QUESTION, advanced()))
        if after:
            await asyncio.sleep(after)
            assert engines.running
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.001)
        assert not engines.running
        before = len(engines.llm.served)
        await asyncio.sleep(10)
        assert len(engines.llm.served) == before
        return engines

    engines = run_virtual(main())
    assert bool(engines.llm.cancelled) == bool(after)


def test_a_query_that_is_too_late_is_cancelled_and_says_what_it_waited_for() -> None:
    async def main() -> Engines:
        engines = Engines(passes=())
        with pytest.raises(QueryTimeoutError) as late:
            await engines.app.submit(QUESTION, advanced(), timeout=0.5)
        assert asyncio.get_running_loop().time() == 0.5
        assert late.value.unfinished == ("expand.prefill",)
        assert isinstance(late.value, TimeoutError)
        await asyncio.sleep(1)
        return engines

    engines = run_virtual(main())
    assert len(engines.llm.cancelled) == 1
    assert not engines.llm.served


def test_a_query_in_time_leaves_no_timer_behind() -> None:
    async def main() -> None:
        await Engines().app.submit({"question": "why?"}, direct(), timeout=60)
        loop = asyncio.get_running_loop()
        assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]

    run_virtual(main())


class Broken(Engine):
    """Fails for what holds a certain word."""

    async def answer(self, request: object, call: Call) -> object:
        if "bad" in repr(request):
            raise ValueError("cannot embed this")
        return await super().answer(request, call)


def test_an_error_names_its_primitive_and_other_queries_go_on() -> None:
    async def main() -> None:
        app = App()
        broken = Broken("bge", EngineKind.EMBEDDING, Limits(max_items=16))
        good = Engines()
        for engine in (good.llm, broken, good.store):
            app.register(engine)
        flow = EXPAND >> SEARCH
        results = await asyncio.gather(
            *(app.submit({"question": q}, flow) for q in ("fine", "bad", "good")),
            return_exceptions=True,
        )
        assert isinstance(results[0], Result)
        assert isinstance(results[2], Result)
        error = results[1]
        assert isinstance(error, PrimitiveError)
        assert error.primitive.startswith("search.embed")
        assert (error.component, error.engine) == ("search", "bge")
        assert isinstance(error.__cause__, ValueError)
        assert "cannot embed this" in str(error)
        assert len(good.llm.cancelled) == 1

    run_virtual(main())


def test_an_engine_that_nobody_registered_is_named_before_anything_runs() -> None:
    async def main() -> None:
        app = App()
        with pytest.raises(EngineUnavailableError, match=r"'llm'.*answer"):
            await app.submit({"question": "why?"}, direct())

    run_virtual(main())


def test_a_missing_input_is_named_before_anything_runs() -> None:
    async def main() -> None:
        engines = Engines()
        with pytest.raises(GraphError, match="documents"):
            await engines.app.submit({"question": "why?"}, advanced())
        assert not engines.llm.served

    run_virtual(main())


class Colds(LLM):
    """Its prefix warms fail, or take for ever."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def answer(self, request: object, call: Call) -> object:
        if call.warm:
            await asyncio.sleep(self.seconds)
            raise ConnectionError("no cache today")
        return await super().answer(request, call)


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_a_prefix_warm_that_fails_or_lasts_changes_nothing(seconds: float) -> None:
    async def main() -> Colds:
        engines, llm = Engines(), Colds(seconds)
        # Whatever it gains, so that there is a warm.
        app = App(profiles=PROFILES, passes=(*PIPELINE[:-1], PrefillingSplit(sequences=0)))
        for engine in (llm, engines.embedding, engines.store, engines.reranker):
            app.register(engine)
        result = await app.submit(QUESTION, advanced())
        assert any(p.op is Op.PARTIAL_PREFILLING for p in result.e_graph)
        assert result.seconds < 60
        assert result.output == (await Engines().app.submit(QUESTION, advanced())).output
        await asyncio.sleep(0.001)
        assert not llm.running
        return llm

    assert bool(run_virtual(main()).cancelled) == bool(seconds)


@pytest.mark.parametrize("busy", [False, True])
def test_a_prefix_warm_is_dropped_that_its_call_overtakes(busy: bool) -> None:
    async def main() -> int:
        quiet = await Engines().app.submit(QUESTION, advanced())
        last_call = max(t.started for n, t in quiet.timings.items() if "answer.prefill" in n)
        engines = Engines(
            policies="critical_path", passes=(*PIPELINE[:-1], PrefillingSplit(sequences=0))
        )
        engines.llm.limits = Limits(instances=2, continuous=True)
        # As long as these run, a warm steps back. They end while the last call is under way.
        tokens = round((last_call - quiet.submitted + 0.5) / 0.02)
        long = flow(replace(synthesis(SynthesisMode.GENERATION), tokens=tokens))
        others = [
            asyncio.ensure_future(engines.app.submit({"question": "?"}, long))
            for _ in range(2 if busy else 0)
        ]
        await asyncio.sleep(0)
        result = await engines.app.submit(QUESTION, advanced())
        assert any(p.op is Op.PARTIAL_PREFILLING for p in result.e_graph)
        assert result.output == quiet.output
        assert all(other.done() for other in others)
        return len(engines.llm.warm)

    assert bool(run_virtual(main())) is not busy
