"""Threads that ask one LLM share its steps; each gets what it would have got alone."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from ayo_bridge.engines.vllm_in_process import sharing
from ayo_bridge.engines.vllm_in_process.turns import Caller
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered
from tests.deadline import eventually
from tests.engines.vllm_in_process.fake import LLM, Params
from tests.scopes import open_scope


def together(llm: LLM, *calls: Callable[[], Any]) -> list[Future[Any]]:
    """Have calls made by a thread each, the first of them stepping before the others come."""
    gate = threading.Event()
    llm.llm_engine.on_step = gate.wait
    pool = ThreadPoolExecutor(len(calls))
    before = llm.llm_engine.steps
    made = [pool.submit(calls[0])]
    eventually(lambda: llm.llm_engine.steps > before or made[0].done(), "the first step")
    made += [pool.submit(call) for call in calls[1:]]
    time.sleep(0.05)  # They come to wait; in which order does not matter.
    llm.llm_engine.on_step = lambda: None
    gate.set()
    pool.shutdown(wait=False)
    return made


def asks(llm: LLM, *prompts: str, tokens: int = 3) -> Callable[[], list[str]]:
    return lambda: [output.text for output in llm.generate(list(prompts), Params(tokens))]


def test_sixteen_threads_share_the_steps(llm: LLM) -> None:
    calls = [asks(llm, f"a{i}", f"b{i}", tokens=4 + i % 3) for i in range(16)]
    alone = [call() for call in calls]
    before = llm.llm_engine.steps
    found = [made.result(10) for made in together(llm, *calls)]
    assert found == alone
    # The first step was the first caller's; the others came at the second or a little later.
    assert llm.llm_engine.steps - before < before / 3


def test_a_single_caller_steps_in_its_own_thread(llm: LLM) -> None:
    threads = []
    llm.llm_engine.on_step = lambda: threads.append(threading.get_ident())
    assert asks(llm, "a")() == [" a0 a1 a2"]
    assert threads == [threading.get_ident()] * 3
    assert not sharing.turns_of(llm.llm_engine).busy


def test_who_has_ended_leaves_the_steps_to_the_others(llm: LLM) -> None:
    short, long = together(llm, asks(llm, "s", tokens=2), asks(llm, "l", tokens=30))
    assert short.result(10) == [" s0 s1"]
    assert len(long.result(10)[0].split()) == 30


def test_a_refused_request_is_its_callers_alone(llm: LLM) -> None:
    good, bad = together(llm, asks(llm, "a"), asks(llm, "b", "too long"))
    with pytest.raises(ValueError, match="too long"):
        bad.result(10)
    assert good.result(10) == [" a0 a1 a2"]
    assert llm.llm_engine.aborted == ["1"]  # What it had asked before.


def test_what_a_step_raises_is_raised_to_all_who_waited_for_it(llm: LLM) -> None:
    first, second = Caller(), Caller()
    turns = sharing.turns_of(llm.llm_engine)

    def fails() -> None:
        raise RuntimeError("the engine is dead")

    for name, caller in (("a", first), ("b", second)):
        turns.own(caller)
        llm.llm_engine.add_request(name, name, Params())
        turns.added(caller, name)
        turns.release(caller)
    llm.llm_engine.on_step = fails
    for caller in (first, second):
        with pytest.raises(RuntimeError, match="dead"):
            turns.step(caller)
        turns.leave(caller)
    assert not turns.busy


def test_a_method_that_uses_the_engine_otherwise_has_it_for_itself(llm: LLM) -> None:
    beside: list[int] = []

    def waits() -> list[Any]:
        outputs = llm.wait_for_completion()
        beside.extend(output.beside for output in outputs)
        return outputs

    generated, enqueued = together(llm, asks(llm, "a"), lambda: llm.enqueue(["e"]))
    assert generated.result(10) == [" a0 a1 a2"]
    enqueued.result(10)
    assert llm.llm_engine.steps == 3
    # As in the original: the next call ends what was enqueued, and returns that too.
    assert asks(llm, "b")() == [" e0 e1 e2", " b0 b1 b2"]
    llm.enqueue(["f"])
    assert [output.text for output in waits()] == [" f0 f1 f2"]
    assert beside == [1]


def test_an_interrupted_call_leaves_nothing_in_the_engine(llm: LLM) -> None:
    def interrupted() -> None:
        if llm.llm_engine.steps == 4:
            raise KeyboardInterrupt

    other = together(llm, asks(llm, "o", tokens=2))[0]
    other.result(10)
    llm.llm_engine.on_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        asks(llm, "a", tokens=50)()
    assert not llm.llm_engine.running
    assert asks(llm, "b")() == [" b0 b1 b2"]


def test_what_is_aborted_by_hand_ends_the_call_as_in_the_original(llm: LLM) -> None:
    llm.llm_engine.on_step = lambda: llm.llm_engine.running.pop("1", None)
    assert asks(llm, "a", "b")() == [" a0 a1 a2"]
    llm.llm_engine.on_step = llm.llm_engine.running.clear
    assert asks(llm, "c")() == []


@pytest.mark.parametrize("leads", [True, False])
def test_what_a_cancelled_call_asked_is_freed_before_the_next_step(llm: LLM, leads: bool) -> None:
    runtime = Runtime(measure=False)
    scope = open_scope(runtime)

    def scoped() -> Any:
        with entered(scope):
            return llm.generate(["c"], Params(10_000))

    def cancel() -> None:
        try:
            raise asyncio.CancelledError
        except asyncio.CancelledError:
            scope.close()

    kept = asks(llm, "k", tokens=400)
    llm.llm_engine.step_seconds = 0.001
    first, second = together(llm, *((scoped, kept) if leads else (kept, scoped)))
    eventually(lambda: len(llm.llm_engine.running) == 2, "both run")
    cancel()
    steps = llm.llm_engine.steps
    with pytest.raises(asyncio.CancelledError):
        (first if leads else second).result(10)
    eventually(lambda: bool(llm.llm_engine.aborted), "the abort")
    assert 0 < llm.llm_engine.aborted_at <= steps + 1  # The one that was about to begin.
    assert len((second if leads else first).result(10)[0].split()) == 400
    runtime.close()


def test_a_call_that_ends_well_ends_nothing_that_still_runs_for_it(llm: LLM) -> None:
    runtime = Runtime(measure=False)
    scope = open_scope(runtime)

    def scoped() -> Any:
        with entered(scope):
            return asks(llm, "d", tokens=30)()

    (detached,) = together(llm, scoped)
    scope.close()
    assert len(detached.result(10)[0].split()) == 30
    runtime.close()


def test_a_call_is_noted_with_its_tokens_and_with_what_ran_beside_it(llm: LLM) -> None:
    runtime = Runtime(measure=False)
    scope = open_scope(runtime)

    def scoped() -> Any:
        with entered(scope):
            return asks(llm, "s")()

    for made in together(llm, asks(llm, "a", tokens=9), scoped):
        made.result(10)
    (call,) = scope.record.calls
    assert call.engine.startswith("llm:fake-llama")
    assert call.batch == 2
    assert (call.prompt_tokens, call.completion_tokens) == (2, 3)
    runtime.close()


def test_a_strict_runtime_shares_nothing(llm: LLM) -> None:
    runtime = Runtime(measure=False, strict=True)
    scope = open_scope(runtime)

    def scoped() -> Any:
        with entered(scope):
            return [output.beside for output in llm.generate(["s"], Params())]

    _, strict = together(llm, asks(llm, "a", tokens=9), scoped)
    assert strict.result(10) == [1]
    runtime.close()
