"""The engine's own connections: framing, keep-alive, cancelling, failures."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ayo_bridge.engines.openai_http import LLMRequest, OpenAIServer, Reply, make_call
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ReadTimeout,
    RemoteProtocolError,
)
from ayo_bridge.seam import AsyncEngine, EngineKind
from tests.bindings.openai_http.harness import ENGINE
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def request(url: str, timeout: float | None = 5.0) -> LLMRequest:
    return LLMRequest(url + "/completions", (), {"model": "stub", "prompt": "x"}, timeout, timeout)


async def ask(server: OpenAIServer, **options: float | None) -> Reply:
    return await server.serve(make_call(ENGINE, request(server.base_url, **options)))


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[OpenAIServer]:
    """An engine for a server that answers each connection with `answer`."""

    handling: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broken = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*broken):
            await answer(reader, writer)
        writer.close()
        with contextlib.suppress(*broken):
            await writer.wait_closed()

    # Not a coroutine function: a task that is cancelled before its first step closes nothing.
    def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handled(reader, writer))
        handling.add(task)
        task.add_done_callback(lambda _: writer.transport.abort())

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server = OpenAIServer(ENGINE, f"http://127.0.0.1:{port}/v1")
    try:
        yield server
    finally:
        await server.aclose()
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        listening.close()
        await listening.wait_closed()


async def take(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def sends(raw: bytes, *, step: int | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        for start in range(0, len(raw), step or len(raw) or 1):
            writer.write(raw[start : start + (step or len(raw))])
            if step is not None:
                await writer.drain()
                await asyncio.sleep(0)

    return answer


CHUNKED = (
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5;note=x\r\nhello\r\nC\r\n, the world!\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
COUNTED = HEAD + b"Content-Length: 17\r\n\r\nhello, the world!"
TO_THE_END = HEAD + b"\r\nhello, the world!"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + COUNTED


@pytest.mark.parametrize("step", [None, 1, 7])
@pytest.mark.parametrize(
    "raw",
    [CHUNKED, COUNTED, TO_THE_END, INTERIM],
    ids=["chunked", "counted", "to the end", "interim"],
)
async def test_every_framing_is_read_however_it_is_cut(raw: bytes, step: int | None) -> None:
    async with serving(sends(raw, step=step)) as server:
        reply = await ask(server)

    assert reply.body.whole() == b"hello, the world!"
    assert (reply.status, reply.reason, reply.http_version) == (200, b"OK", b"HTTP/1.1")
    assert reply.headers[0] == (b"Content-Type", b"application/json")
    assert reply.elapsed > 0


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "without sending a response"),
        (HEAD, "without sending a response"),
        (HEAD + b"Content-Length: 17\r\n\r\nhello", "received 5 bytes, expected 17"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "incomplete chunked read"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "illegal chunk header"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "longer than it says"),
        (HEAD + b"Content-Length: x\r\n\r\n", "illegal content-length"),
        (HEAD + b"no colon\r\n\r\n", "illegal header line"),
        (b"SSH-2.0-x\r\n\r\n", "illegal status line"),
    ],
)
async def test_a_broken_reply_is_an_error_that_says_how(raw: bytes, message: str) -> None:
    async with serving(sends(raw)) as server:
        with pytest.raises(RemoteProtocolError, match=message):
            await ask(server)


async def test_nothing_but_what_http_demands_is_added_to_a_request() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await take(reader))
        writer.write(COUNTED)

    async with serving(answer) as server:
        await ask(server)

    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /v1/completions HTTP/1.1"
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert names == [b"host", b"content-length"]
    assert body == b'{"model":"stub","prompt":"x"}'


async def test_a_connection_is_used_again_until_the_server_closes_it() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await take(reader)
            writer.write(COUNTED)

    async with serving(answer) as server:
        for _ in range(2):
            await ask(server)
        assert connections == 1
        await asyncio.sleep(0.05)  # The server hangs up.
        await ask(server)
        assert connections == 2


async def test_a_connection_with_bytes_nobody_asked_for_is_not_used_again() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await take(reader)
            writer.write(COUNTED + b"HTTP/1.1 200 OK\r\n")

    async with serving(answer) as server:
        await ask(server)
        await ask(server)
    assert connections == 2


async def test_a_header_with_a_line_break_is_refused() -> None:
    async with serving(sends(COUNTED)) as server:
        bad = LLMRequest(server.base_url + "/completions", ((b"x", b"a\r\ny: b"),), {"prompt": "x"})
        with pytest.raises(ValueError, match="line break"):
            await server.serve(make_call(ENGINE, bad))


async def test_timeouts_are_those_of_the_request() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        await reader.read()

    async with serving(answer) as server:
        with pytest.raises(ReadTimeout):
            await ask(server, timeout=0.05)
        with pytest.raises(ConnectTimeout):
            await ask(server, timeout=0.0)


async def test_an_unreachable_server_is_an_error() -> None:
    with pytest.raises(ConnectError):
        await ask(OpenAIServer(ENGINE, "http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("steps", range(14))
async def test_cancelling_while_it_connects_leaves_no_socket(steps: int) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as server:
        task = asyncio.create_task(ask(server))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()  # A lost socket warns here, and a warning is an error.


async def test_cancelling_closes_the_connection(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 30
    server = OpenAIServer(ENGINE, stub_openai.base_url)
    task = asyncio.create_task(ask(server, timeout=None))
    while not stub_openai.calls:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(lambda: eventually(lambda: stub_openai.calls[0].aborted, "the abort"))


async def test_many_requests_are_in_flight_at_once(stub_openai: StubOpenAI) -> None:
    server = OpenAIServer(ENGINE, stub_openai.base_url)
    stub_openai.reply_when("", together=150)
    await asyncio.gather(*(ask(server) for _ in range(150)))
    assert stub_openai.max_in_flight == 150
    await server.aclose()


def test_another_loop_gets_connections_of_its_own(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0
    server = OpenAIServer(ENGINE, stub_openai.base_url)

    async def once() -> str:
        reply = await ask(server)
        await server.aclose()
        return reply.text()

    assert asyncio.run(once()) == asyncio.run(once())


async def test_after_a_fork_nothing_of_the_parents_is_used(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0
    server = OpenAIServer(ENGINE, stub_openai.base_url)
    await ask(server)
    parents = server._connections
    server.after_fork()
    await ask(server)
    assert server._connections is not parents
    await server.aclose()
    assert parents is not None
    await parents.aclose()


def test_it_is_an_engine_that_batches_by_itself() -> None:
    server = OpenAIServer(ENGINE, "http://127.0.0.1:8000/v1")
    assert isinstance(server, AsyncEngine)
    assert server.kind is EngineKind.LLM
    assert server.limits.continuous
    assert server.limits.max_items is None


async def test_text_and_usage_of_plain_and_streamed_replies(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0
    server = OpenAIServer(ENGINE, stub_openai.base_url)
    plain = await ask(server)
    sent = request(server.base_url)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    body = {**sent.fields(), **options}
    streamed = await server.serve(make_call(ENGINE, LLMRequest(sent.url, (), body)))
    assert plain.text() == streamed.text() == stub_openai.text(sent.fields())
    assert plain.usage() == streamed.usage()
    assert plain.usage() is not None
    await server.aclose()


async def test_a_quote_in_the_answer_is_not_taken_for_usage(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0
    fake = '"usage": {"prompt_tokens": 999, "completion_tokens": 999}'
    stub_openai.text = lambda body: fake
    server = OpenAIServer(ENGINE, stub_openai.base_url)
    reply = await ask(server)
    assert reply.text() == fake
    usage = reply.usage()
    assert usage is not None
    assert usage.prompt_tokens == 1
    await server.aclose()
