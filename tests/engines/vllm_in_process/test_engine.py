"""A model in this process as an engine: of native workflows, and of work ahead."""

import asyncio
import threading
from typing import Any

import pytest

from ayo_bridge import accelerate, explain, stats
from ayo_bridge.bindings import vllm_in_process
from ayo_bridge.errors import QueryTimeoutError
from ayo_bridge.graph import Op, Synthesis, SynthesisMode
from ayo_bridge.runtime import Runtime
from ayo_bridge.workflow import App, LanguageModel
from ayo_bridge.workflow.engines import VllmEngine
from tests.deadline import eventually
from tests.engines.vllm_in_process.fake import LLM, Params

ANSWER = Synthesis(name="answer", llm="llm", mode=SynthesisMode.GENERATION, tokens=30)


@pytest.fixture(autouse=True)
def _not_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_in_process.BINDINGS[0], "install", lambda: True)


def app_of(engine: VllmEngine, **options: object) -> App:
    app = App(Runtime(engines=[engine], measure=False))
    app.register(engine)
    app.handle(("answer", Op.PREFILLING), LanguageModel("Say", options=options))
    return app


async def test_queries_of_a_workflow_share_its_steps(llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.002
    engine = VllmEngine(llm, name="llm")
    async with app_of(engine) as app:
        asked = [app.submit({"question": f"q{i}?"}, ANSWER) for i in range(8)]
        found = [str(each.output) for each in await asyncio.gather(*asked)]
        pieces = [piece async for piece in app.stream({"question": "s?"}, ANSWER)]
    assert found[3].split()[:4] == ["Say", "Question:", "q3?0", "Say"]
    assert llm.llm_engine.steps < 8 * 30
    assert len(pieces) > 5
    app.runtime.close()


async def test_a_chat_model_gets_a_message(llm: LLM) -> None:
    engine = VllmEngine(llm, name="llm", chat=True)
    async with app_of(engine, max_tokens=3) as app:
        assert str((await app.submit({"question": "why?"}, ANSWER)).output).startswith(" user:Say")
    app.runtime.close()


async def test_a_query_that_takes_too_long_is_freed_before_the_next_step(llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.005
    engine = VllmEngine(llm, name="llm")
    async with app_of(engine, max_tokens=10_000) as app:
        with pytest.raises(QueryTimeoutError):
            await app.submit({"question": "why?"}, ANSWER, timeout=0.1)
        await asyncio.to_thread(eventually, lambda: not llm.llm_engine.running, "the abort")
        steps = llm.llm_engine.steps
        await asyncio.sleep(0.05)
    assert llm.llm_engine.steps == steps
    app.runtime.close()


def test_calls_of_an_accelerated_function_run_ahead_and_side_by_side(llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.003  # Beside it a busy machine is slow.

    def answer(topic: str) -> list[Any]:
        params = Params(max_tokens=8, temperature=0.0)
        pros = llm.generate([f"For {topic}"], params)
        cons = llm.generate([f"Against {topic}"], params)
        both = f"Weigh {pros[0].outputs[0].text} with {cons[0].outputs[0].text}"
        return [*pros, *cons, *llm.generate([both], params)]

    def told(outputs: list[Any]) -> list[tuple[Any, ...]]:
        return [(each.prompt, each.text, int(each.request_id) % 3) for each in outputs]

    expected = [told(answer(f"topic {number}")) for number in range(12)]
    runtime = Runtime(engines=[VllmEngine(llm, name="mine")], measure=False, templates=False)
    fast = accelerate(answer, runtime=runtime)
    beside = []
    for number, wanted in enumerate(expected):
        found = fast(f"topic {number}")
        assert told(found) == wanted, number
        beside.append(found[0].beside)
    assert beside[0] == 1
    assert beside[-1] == 2, explain(fast).full()
    assert "mine" in str(stats(fast)) or stats(fast).calls == 12
    assert threading.active_count() < 20
    runtime.close()
