"""A body is read while it is written, by threads and tasks at once."""

import asyncio
import gzip
import threading

import pytest

from ayo_bridge.engines.openai_http import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.reply import Body


def test_readers_in_threads_see_every_chunk_in_order() -> None:
    body = Body()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(b"".join(body))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        body.write(b"%d " % number)
    body.end()
    for thread in threads:
        thread.join()
    assert found == [b"".join(b"%d " % number for number in range(100))] * 4


async def test_a_task_reads_what_another_thread_writes() -> None:
    body = Body()
    read = asyncio.create_task(_all(body))
    await asyncio.sleep(0)
    await asyncio.to_thread(body.write, b"a")
    await asyncio.to_thread(body.write, b"b")
    await asyncio.to_thread(body.end)
    assert await read == b"ab"


async def test_a_cancelled_reader_disturbs_nobody() -> None:
    body = Body()
    gone = asyncio.create_task(_all(body))
    stays = asyncio.create_task(_all(body))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    body.write(b"a")
    body.end()
    assert await stays == b"a"


async def _all(body: Body) -> bytes:
    return b"".join([chunk async for chunk in body])


async def test_an_error_comes_after_the_last_bytes() -> None:
    body = Body()
    body.write(b"a")
    body.end(ConnectionError("gone"))
    body.end()
    chunks = iter(body)
    assert next(chunks) == b"a"
    with pytest.raises(ConnectionError, match="gone"):
        next(chunks)
    async_chunks = aiter(body)
    assert await anext(async_chunks) == b"a"
    with pytest.raises(ConnectionError, match="gone"):
        await anext(async_chunks)
    with pytest.raises(UnreadableReplyError):
        body.whole()


def reply(content: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> Reply:
    return Reply(status, headers, Body([content], ended=True))


def test_encoded_bodies_are_decoded_for_us() -> None:
    encoded = reply(gzip.compress(b'{"a":1}'), (b"Content-Encoding", b"gzip"))
    assert encoded.json() == {"a": 1}
    with pytest.raises(UnreadableReplyError, match="br"):
        reply(b"", (b"content-encoding", b"br")).decoded()


def test_an_error_has_no_text() -> None:
    with pytest.raises(UnreadableReplyError, match="500"):
        reply(b"{}", status=500).text()
    with pytest.raises(UnreadableReplyError, match="no text"):
        reply(b'{"choices":[]}').text()


def test_abandoning_stops_an_arriving_reply_once() -> None:
    stopped: list[None] = []
    arriving = Reply(200, (), Body([b"data: 1\n\n"]))
    arriving.on_abandon(lambda: stopped.append(None))
    arriving.abandon()
    arriving.abandon()
    assert len(stopped) == 1

    said_done = Reply(200, (), Body([b"data: [DONE]\n", b"\n"]))
    said_done.on_abandon(lambda: stopped.append(None))
    said_done.abandon()
    del said_done, arriving
    assert len(stopped) == 1
