"""Requests that are awaited on a loop: a thread of the model's steps for them."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ayo_bridge.engines.vllm_in_process import driver as driving
from ayo_bridge.engines.vllm_in_process.driver import Asked, Driver, driver_of
from ayo_bridge.errors import EngineUnavailableError
from tests.deadline import eventually
from tests.engines.vllm_in_process.fake import LLM, Output, Params


@pytest.fixture
def driver(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    monkeypatch.setattr(driving, "IDLE_SECONDS", 0.05)
    yield driver_of(llm.llm_engine)
    eventually(lambda: "ayo-bridge vllm" not in names(), "the end of the driver's thread")


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def asked(llm: LLM, prompt: str, tokens: int, future: "asyncio.Future[str]") -> Asked:
    loop = asyncio.get_running_loop()

    def add(name: str) -> int:
        llm.llm_engine.add_request(name, prompt, Params(tokens))
        return 1

    def told(output: Output) -> None:
        loop.call_soon_threadsafe(future.set_result, output.text)

    return Asked(add, told, lambda error: loop.call_soon_threadsafe(future.set_exception, error))


async def ask(driver: Driver, llm: LLM, prompt: str, tokens: int = 3) -> str:
    future = asyncio.get_running_loop().create_future()
    name = driver.ask(asked(llm, prompt, tokens, future))
    try:
        return str(await asyncio.wait_for(future, 10))
    except asyncio.CancelledError:
        driver.abort(name)
        raise


async def test_it_serves_many_at_once_and_beside_a_thread(driver: Driver, llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.002
    thread = asyncio.to_thread(llm.generate, ["t"], Params(60))
    own = asyncio.create_task(thread)
    found = await asyncio.gather(*(ask(driver, llm, f"p{i}", tokens=40) for i in range(8)))
    assert [text.split()[0] for text in found] == [f"p{i}0" for i in range(8)]
    (output,) = await own
    assert output.text.split()[-1] == "t59"
    assert output.beside > 4
    assert llm.llm_engine.steps < 200


async def test_a_cancelled_request_is_aborted_and_others_go_on(driver: Driver, llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.002
    long = asyncio.create_task(ask(driver, llm, "l", tokens=10_000))
    kept = asyncio.create_task(ask(driver, llm, "k", tokens=60))
    while len(llm.llm_engine.running) < 2:
        await asyncio.sleep(0.001)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await kept).split()[-1] == "k59"
    assert len(llm.llm_engine.aborted) == 1
    assert not llm.llm_engine.running


async def test_a_refused_request_fails_alone(driver: Driver, llm: LLM) -> None:
    kept = asyncio.create_task(ask(driver, llm, "k"))
    with pytest.raises(ValueError, match="too long"):
        await ask(driver, llm, "too long")
    assert await kept == " k0 k1 k2"


async def test_what_the_engine_raises_fails_all_and_the_next_are_served(
    driver: Driver, llm: LLM
) -> None:
    def fails() -> None:
        llm.llm_engine.running.clear()
        raise RuntimeError("out of memory")

    llm.llm_engine.on_step = fails
    for _ in range(2):
        with pytest.raises(RuntimeError, match="memory"):
            await ask(driver, llm, "a")
    llm.llm_engine.on_step = lambda: None
    assert await ask(driver, llm, "b") == " b0 b1 b2"


async def test_what_the_user_has_enqueued_is_left_to_the_user(driver: Driver, llm: LLM) -> None:
    llm.enqueue(["e"])
    with pytest.raises(EngineUnavailableError, match="enqueued"):
        await ask(driver, llm, "a")
    assert [output.text for output in llm.wait_for_completion()] == [" e0 e1 e2"]
    assert await ask(driver, llm, "a") == " a0 a1 a2"


async def test_who_wants_the_engine_alone_is_not_put_off_for_ever(driver: Driver, llm: LLM) -> None:
    llm.llm_engine.step_seconds = 0.001
    ended = asyncio.Event()

    made = []

    async def asks() -> None:
        while not ended.is_set():  # The next one before the last has ended.
            made.append(asyncio.create_task(ask(driver, llm, "a", tokens=40)))
            await asyncio.sleep(0.005)

    stream = asyncio.create_task(asks())
    while len(llm.llm_engine.running) < 4:
        await asyncio.sleep(0.001)
    await asyncio.wait_for(asyncio.to_thread(llm.enqueue, ["e"]), 5)
    outputs = await asyncio.to_thread(llm.wait_for_completion)
    ended.set()
    await stream
    served = await asyncio.gather(*made, return_exceptions=True)
    assert [output.beside for output in outputs] == [1]
    assert {type(each) for each in served} <= {str, EngineUnavailableError}


async def test_who_is_gone_when_its_answer_comes_costs_the_others_nothing(
    driver: Driver, llm: LLM, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(output: object) -> None:
        raise RuntimeError("Event loop is closed")

    future = asyncio.get_running_loop().create_future()
    driver.ask(replace(asked(llm, "g", 2, future), told=gone))
    assert await ask(driver, llm, "k", tokens=9) == "".join(f" k{number}" for number in range(9))
    assert "could not be handed over" in caplog.text
