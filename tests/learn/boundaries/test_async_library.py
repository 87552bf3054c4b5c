"""Requests of asynchronous clients, made ahead where no task runs, say what the original's say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from ayo_bridge import Runtime, accelerate
from ayo_bridge.bindings.async_library import running_library, seeing
from ayo_bridge.bindings.openai_sdk import Form, build
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import async_client_of, learned, outcomes, question
from tests.learn.boundaries.arms import sent
from tests.stub_openai import StubOpenAI


async def test_what_follows_from_a_call_ahead_leaves_as_on_the_loop_of_its_client(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = async_client_of(stub)
    stub.latency = 0.03

    async def ask(prompt: str) -> str:
        reply = await client.chat.completions.create(
            model="stub", messages=[{"role": "user", "content": prompt}]
        )
        return reply.choices[0].message.content or ""

    async def answer(query: str) -> str:
        causes = await ask(f"List the causes: {query}")
        first = await ask(f"Which of these was the first? {causes}")
        effects = await ask(f"List the effects: {query}")
        worst = await ask(f"Which of these is the worst? {effects}")
        return first + worst

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert await fast(question(number)) == await answer(question(number))
    await asyncio.to_thread(learned, fast)
    assert await fast(question(8)) == await answer(question(8))  # Confirms each site.
    sent(stub)
    expected = await answer(question(9))
    # An exact request is served only if this header is equal, too.
    asyncs = {
        value
        for request in stub.requests
        for name, value in request.pairs
        if name.lower() == "x-stainless-async"
    }
    made = sent(stub)
    assert asyncs == {"async:asyncio"}
    assert await fast(question(9)) == expected
    assert sent(stub) == made
    assert outcomes(fast) == {Outcome.HIT: 2, Outcome.DIRECT: 2}


async def test_a_client_sees_the_library_that_ran_where_the_original_asked(
    stub: StubOpenAI,
) -> None:
    client = async_client_of(stub)

    def header() -> str:
        form = Form("/chat/completions")
        request = build(client, form, {"model": "stub", "messages": []}, keep_order=True)
        (found,) = (v for name, v in request.headers if name.lower() == b"x-stainless-async")
        return found.decode()

    here = header()
    library = running_library()
    assert here == f"async:{library}"
    assert await asyncio.to_thread(_in_no_task, header) == "async:false"
    assert await asyncio.to_thread(_in_no_task, seeing(library, header)) == here


def _in_no_task(build: Callable[[], str]) -> str:
    return Context().run(build)
