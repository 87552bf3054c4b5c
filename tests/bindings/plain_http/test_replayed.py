"""Callers of requests, urllib3 and aiohttp get from a recording what the server would send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from ayo_bridge.seam import Outcome
from tests.bindings.plain_http.harness import CHAT, EMBED, World, arms, outcomes
from tests.signals import read, thrown_once
from tests.stub_openai.requests import Cut

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Look = Callable[[World], Any]


def _whole(reply: requests.Response) -> Any:
    """All that there is to see of a response."""
    raw = reply.raw
    return (
        *(type(reply), reply.status_code, reply.reason, list(reply.headers.items()), reply.content),
        *(reply.url, reply.history, reply.encoding, reply.apparent_encoding, reply.ok, reply.links),
        *(dict(reply.cookies), reply.elapsed.total_seconds() > 0, reply.is_redirect),
        *(type(raw), raw.version, raw.status, raw.closed, raw.tell(), raw.length_remaining),
        *(sorted(reply.request.headers.items()), reply.request.body),
    )


def _post(world: World) -> Any:
    return _whole(requests.post(world.embed, json=EMBED, timeout=5))


def _session(world: World) -> Any:
    heard: list[int] = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda reply, **_: heard.append(reply.status_code))
        reply = session.post(world.embed, json=EMBED, auth=("user", "secret"))
        return _whole(reply), heard, session.cookies.items()


def _raw(world: World) -> Any:
    with requests.post(world.embed, json=EMBED, stream=True, timeout=5) as reply:
        return reply.raw.read(7), reply.raw.read(), reply.raw.closed, reply.raw.tell()


def _lines(world: World) -> Any:
    with requests.post(world.chat, json=CHAT, stream=True, timeout=5) as reply:
        return list(reply.iter_lines()), dict(reply.headers), reply.raw.chunked, reply.raw.closed


def _urllib3(world: World) -> Any:
    with urllib3.PoolManager() as pools:
        reply = pools.request("POST", world.embed, json=EMBED)
        return reply.status, list(reply.headers.items()), reply.data, reply.reason, reply.geturl()


def _aiohttp(world: World) -> Any:
    async def asked() -> Any:
        async with aiohttp.ClientSession() as session:
            async with session.post(world.embed, json=EMBED) as reply:
                content = await reply.read()
                said = await reply.json()
            return (
                *(type(reply), reply.status, reply.reason, reply.raw_headers, content, said),
                *(str(reply.url), reply.history, reply.version, reply.cookies.output()),
                *(reply.closed, reply.method, dict(reply.request_info.headers), reply.ok),
                [(cookie.key, cookie.value) for cookie in session.cookie_jar],
            )

    return asyncio.run(asked())


def _aiohttp_lines(world: World) -> Any:
    async def asked() -> Any:
        session = aiohttp.ClientSession(raise_for_status=True)
        async with session, session.post(world.chat, json=CHAT) as reply:
            lines = [line async for line in reply.content]
            return lines, dict(reply.headers), reply.content.at_eof()

    return asyncio.run(asked())


LOOKS: dict[str, Look] = {
    "post": _post,
    "session": _session,
    "raw": _raw,
    "lines": _lines,
    "urllib3": _urllib3,
    "aiohttp": _aiohttp,
    "aiohttp_lines": _aiohttp_lines,
}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("look", LOOKS)
def test_a_reply_made_ahead_cannot_be_told_from_the_servers(
    world: World, look: str, compress: bool
) -> None:
    world.stub.compress = compress
    world.stub.extra_headers = [("Set-Cookie", "a=b; Path=/"), ("X-Twice", "1"), ("X-Twice", "2")]
    direct, watched, found = arms(world, lambda: LOOKS[look](world))
    assert watched == direct
    assert found == direct


def _content(url: str, body: Any, kind: str) -> bytes:
    if kind == "requests":
        return requests.post(url, json=body, timeout=5).content
    return asyncio.run(_read(url, body))


def _broken(world: World, url: str, body: Any, kind: str) -> Any:
    with pytest.raises((requests.RequestException, aiohttp.ClientError)) as caught:
        _content(url, body, kind)
    return type(caught.value), str(caught.value).replace("'", '"')


async def _read(url: str, body: Any, **options: Any) -> bytes:
    async with aiohttp.ClientSession(**options) as session, session.post(url, json=body) as reply:
        return await reply.read()


@pytest.mark.parametrize("kind", ["requests", "aiohttp"])
def test_a_stream_that_breaks_off_is_the_callers_own_error(world: World, kind: str) -> None:
    world.stub.reply_when("sky", disconnect=2, cut=Cut.CLOSE, text="one two three four five six")
    direct = _broken(world, world.chat, CHAT, kind)
    with world.ahead(world.again()):
        assert _broken(world, world.chat, CHAT, kind) == direct


def test_what_a_handler_of_signals_throws_at_who_reads_is_raised(world: World) -> None:
    world.stub.reply_when("sky", disconnect=2, cut=Cut.HANG, text="one two three four five six")
    with pytest.raises(requests.ConnectionError, match="timed out"):
        requests.post(world.chat, json=CHAT, timeout=0.2)
    seen: list[object] = []
    thrown = RuntimeError("the time of this task is over")
    with (
        world.ahead(world.again()) as scope,
        requests.post(world.chat, json=CHAT, stream=True, timeout=20) as reply,
        thrown_once(lambda: len(seen) == 2, thrown),
        pytest.raises(RuntimeError) as raised,
    ):
        read(reply.iter_lines(chunk_size=1), seen)
    assert raised.value is thrown
    assert outcomes(scope) == [Outcome.HIT]


def test_requests_wait_their_own_time_and_get_their_own_error(world: World) -> None:
    world.stub.latency = 30
    with pytest.raises(requests.ReadTimeout) as expected:
        requests.post(world.embed, json=EMBED, timeout=0.2)
    with world.ahead(world.again()) as scope, pytest.raises(requests.ReadTimeout) as found:
        requests.post(world.embed, json=EMBED, timeout=0.2)
    assert str(found.value) == str(expected.value)
    assert outcomes(scope) == [Outcome.CANCELLED]
    assert len(world.stub.requests) == 2


async def test_a_session_of_aiohttp_waits_its_own_time(world: World) -> None:
    world.stub.latency = 30
    limit = aiohttp.ClientTimeout(total=0.2)
    with pytest.raises(TimeoutError) as expected:
        await _read(world.embed, EMBED, timeout=limit)
    with world.ahead(world.again()), pytest.raises(TimeoutError) as found:
        await _read(world.embed, EMBED, timeout=limit)
    assert type(found.value) is type(expected.value)
    assert str(found.value) == str(expected.value)
    assert len(world.stub.requests) == 2


@pytest.mark.parametrize("kind", ["requests", "aiohttp"])
def test_a_refusal_next_to_work_ahead_is_asked_again(world: World, kind: str) -> None:
    expected = _content(world.embed, EMBED, kind)
    call = world.again()
    world.stub.reply_when(lambda request: True, status=429, times=2)
    with world.ahead(call) as scope:
        assert _content(world.embed, EMBED, kind) == expected
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    assert len(world.stub.requests) == 4
