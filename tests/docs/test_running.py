"""What is left when the blocks of a document have run."""

import asyncio

from openai import AsyncOpenAI, OpenAI

from tests.docs.running import run


def test_a_readers_clients_are_closed_and_those_of_other_tests_are_not() -> None:
    theirs = OpenAI(api_key="none"), AsyncOpenAI(api_key="none")
    readers = OpenAI(api_key="none"), AsyncOpenAI(api_key="none")
    run([], {}, {}, others=theirs)
    assert [client.is_closed() for client in theirs] == [False, False]
    assert [client.is_closed() for client in readers] == [True, True]
    theirs[0].close()
    asyncio.run(theirs[1].close())
