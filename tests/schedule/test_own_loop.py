"""The runtime's loop: engines create what tasks they like, finalizers create none."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule.own_loop import new_own_loop
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from tests.fixtures_stub import stub_openai
from tests.stub_openai import StubOpenAI

__all__ = ["stub_openai"]


@pytest.fixture
def runtime(tmp_path: Any) -> Iterator[Runtime]:
    made = Runtime(profiles=ProfileStore(tmp_path), measure=False)
    yield made
    made.close()


class Outcome:
    """What became of a coroutine."""

    def __init__(self) -> None:
        self.ran = False
        self.refused: BaseException | None = None

    async def work(self) -> None:
        self.ran = True

    def start(self, create: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        coroutine = self.work()
        try:
            create(coroutine)
        except RuntimeError as error:
            self.refused = error


CREATORS = {
    "create_task": asyncio.create_task,
    "ensure_future": asyncio.ensure_future,
    "loop": lambda coroutine: asyncio.get_running_loop().create_task(coroutine),
    "gather": asyncio.gather,
}


class Closes:
    """Closes itself, when it is dropped, on whichever loop runs; in a cycle with itself or not."""

    def __init__(self, outcome: Outcome, create: Any, *, cycle: bool) -> None:
        self.outcome, self.create = outcome, create
        self.itself = self if cycle else None

    def __del__(self) -> None:
        self.outcome.start(self.create)


class Held:
    """What a `weakref.finalize` waits for."""


def _dropped(outcome: Outcome, create: Any, how: str) -> list[Any]:
    if how == "finalize":
        held = Held()
        weakref.finalize(held, outcome.start, create)
        return [held]
    return [Closes(outcome, create, cycle=how == "collector")]


def _run(main: Coroutine[Any, Any, Any]) -> None:
    loop = new_own_loop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", ["collector", "count", "finalize"])
@pytest.mark.parametrize("create", CREATORS.values(), ids=CREATORS)
def test_what_a_finalizer_starts_is_refused_and_closed(create: Any, how: str) -> None:
    outcome = Outcome()

    async def main() -> None:
        dropped = _dropped(outcome, create, how)
        assert dropped.pop() is not None
        gc.collect()
        assert outcome.refused is not None
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    gc.disable()
    try:
        _run(main())
    finally:
        gc.enable()
    assert not outcome.ran
    gc.collect()  # A coroutine that was left open would warn here.


@pytest.mark.parametrize("create", CREATORS.values(), ids=CREATORS)
def test_what_code_starts_beside_finalizers_runs(create: Any) -> None:
    beside, dropped = Outcome(), Outcome()

    async def main() -> None:
        Closes(dropped, create, cycle=False)
        beside.start(create)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    _run(main())
    assert beside.ran
    assert dropped.refused is not None


def test_a_finalizer_may_hand_over_to_a_later_round() -> None:
    # So ours do it: `Scope.close` by a stream's finalizer, an abandoned reply.
    outcome = Outcome()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        class Cancels:
            def __del__(self) -> None:
                loop.call_soon_threadsafe(outcome.start, asyncio.ensure_future)

        Cancels()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    _run(main())
    assert outcome.ran


class Busy(AsyncEngine):
    """An engine that creates tasks in every way that a library of the user's may."""

    kind = EngineKind.LLM
    name = "busy"

    def __init__(self) -> None:
        self.limits = Limits(continuous=True)
        self.closed = asyncio.Event()

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _one(self, value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def _many(self) -> AsyncIterator[int]:
        try:
            for value in range(3):
                yield value
        finally:
            await asyncio.sleep(0)
            self.closed.set()

    async def serve(self, call: Call) -> object:
        loop = asyncio.get_running_loop()
        found = list(await asyncio.gather(self._one(1), self._one(2)))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(value), name=f"t{value}") for value in (3, 4)]
        found += [task.result() for task in tasks]
        found.append(await asyncio.wait_for(self._one(5), 5))
        later: asyncio.Future[int] = loop.create_future()

        def in_a_callback() -> None:
            task = asyncio.ensure_future(self._one(6))
            task.add_done_callback(lambda done: later.set_result(done.result()))

        loop.call_soon(in_a_callback)
        found.append(await later)
        with ThreadPoolExecutor(1) as pool:
            handed = pool.submit(asyncio.run_coroutine_threadsafe, self._one(7), loop).result()
            found.append(await asyncio.wrap_future(handed))
        async for value in self._many():
            found.append(value)
            break  # The generator is dropped: the loop closes it, in a task.
        await asyncio.wait_for(self.closed.wait(), 5)
        return found


def test_an_engine_of_the_users_creates_what_tasks_it_likes(runtime: Runtime) -> None:
    runtime.register(Busy())
    request = runtime.scheduler("busy").submit(Call("busy", "key", None), query="q", node="n")
    assert request.future.result(timeout=10) == [1, 2, 3, 4, 5, 6, 7, 0]


async def _collect() -> None:
    gc.collect()


async def _drop(last: list[Any]) -> None:
    last.clear()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("how", ["collector", "count"])
def test_a_real_client_that_is_dropped_here_is_not_closed_here(
    runtime: Runtime,
    stub_openai: StubOpenAI,
    how: str,
) -> None:
    """Its connections are of another loop, that lives."""

    async def main() -> tuple[int, bool]:
        sdk = openai.AsyncOpenAI(base_url=stub_openai.base_url, api_key="x")
        messages: Any = [{"role": "user", "content": "x"}]
        await sdk.chat.completions.create(model="stub", messages=messages)
        client, transport = sdk._client, sdk._client._transport
        assert isinstance(transport, httpx.AsyncHTTPTransport)
        before = len(transport._pool.connections)
        gone = weakref.ref(client)
        last: list[Any] = [sdk, client]
        del sdk, client
        # So that only our loop drops it, whichever way.
        gc.collect()
        if how == "collector":
            last.append(last)
            del last
            runtime.submit(_collect()).result(timeout=10)
        else:
            runtime.submit(_drop(last)).result(timeout=10)
            runtime.submit(_collect()).result(timeout=10)
        assert gone() is None
        for _ in range(3):  # What a finalizer had started would run now.
            runtime.submit(asyncio.sleep(0)).result(timeout=10)
        after = len(transport._pool.connections)
        await transport.aclose()
        return before, after == before

    gc.disable()
    try:
        assert asyncio.run(main()) == (1, True)
    finally:
        gc.enable()
