"""Calls that block are made in threads like those of a program."""

import asyncio

from ayo_bridge.bench.threads import Threads


async def loops(calls: int) -> list[asyncio.AbstractEventLoop]:
    threads = Threads()
    try:
        return [await threads.run(asyncio.get_event_loop) for _ in range(calls)]
    finally:
        threads.close()


def test_all_calls_of_a_thread_have_one_loop() -> None:
    first, second = asyncio.run(loops(2))
    assert first is second
