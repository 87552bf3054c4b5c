"""The stub fails as its plans say: else the tests that use them would show nothing."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import httpx
import pytest

from tests.deadline import eventually
from tests.stub_openai import Cut, StubOpenAI, faults

ASKED = {"model": "stub", "messages": [{"role": "user", "content": "why?"}]}


@pytest.fixture
def _settings() -> None:
    """No framework is asked here."""


@pytest.fixture
def server() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.0) as made:
        yield made


@pytest.fixture
def client(server: StubOpenAI) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30.0) as made:
        yield made


def _post(client: httpx.Client, **more: object) -> httpx.Response:
    return client.post("/chat/completions", json={**ASKED, **more})


def test_it_keeps_requests_as_they_came(server: StubOpenAI, client: httpx.Client) -> None:
    client.post("/chat/completions?a=b", json=ASKED, headers=[("X-Twice", "1"), ("x-twice", "2")])
    (request,) = server.calls
    assert request.target == "/v1/chat/completions?a=b"
    assert [pair for pair in request.pairs if pair[0].lower() == "x-twice"] == [
        ("X-Twice", "1"),
        ("x-twice", "2"),
    ]
    assert request.pairs[0][0] == "Host"
    assert request.body == ASKED
    assert request.peer is not None
    eventually(lambda: request.ended is not None, "the end of the request")
    assert not request.aborted


def test_calls_that_are_to_come_together_wait_for_each_other(server: StubOpenAI) -> None:
    script = server.reply_when("why", together=2)
    with httpx.Client(base_url=server.base_url) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(_post, client)
        eventually(lambda: len(server.calls) == 1, "the first call")
        assert _post(client, messages=[]).is_success
        assert server.calls[0].ended is None
        assert _post(client).is_success
        assert first.result().is_success
        assert script.together == 1
        assert _post(client).is_success


def test_who_has_gone_away_is_not_waited_for_and_nobody_waits_for_ever(
    server: StubOpenAI, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply_when("why", together=2)
    _in_vain(client)
    eventually(lambda: server.in_flight == 0, "the end of the request")
    monkeypatch.setattr("tests.stub_openai.server._PATIENCE", 0.02)
    with httpx.Client(base_url=server.base_url) as patient:
        assert _post(patient).is_success
    assert server.max_in_flight == 1


@pytest.mark.parametrize("how", ["leave", "stop"])
def test_it_hangs_up_on_those_too_whom_it_was_just_accepting(how: str) -> None:
    server = StubOpenAI().__enter__()
    assert server._server is not None
    (listening,) = server._server.sockets
    busy, connected = threading.Event(), threading.Event()
    signal, signalled = socket.socketpair()

    def is_busy() -> None:
        server.loop.add_reader(signalled, goes)
        busy.set()
        connected.wait()

    def goes() -> None:
        """As on a busy machine: what comes later is due at once."""
        server.loop.remove_reader(signalled)
        if how == "leave":
            server._restart(600.0)
        else:
            server._over.set()
        time.sleep(0.05)

    with closing(signal), closing(signalled):
        server.loop.call_soon_threadsafe(is_busy)
        busy.wait()
        with socket.create_connection(("127.0.0.1", server._port), 30.0) as caller:
            assert select.select([listening], [], [], 30.0)[0]
            signal.send(b"!")
            connected.set()
            with suppress(ConnectionResetError):
                assert caller.recv(1) == b""
        if how == "leave":
            server.loop.call_soon_threadsafe(server._over.set)
        server._thread.join()
    assert not server.connections


def test_statuses_at_some_calls(server: StubOpenAI, client: httpx.Client) -> None:
    faults.at(0, 2, status=503, headers=[("retry-after", "1")])(server)
    replies = [_post(client) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [503, 200, 503, 200]
    assert replies[0].headers["retry-after"] == "1"
    faults.well(server)
    faults.every(status=500)(server)
    assert [_post(client).status_code for _ in range(2)] == [500, 500]


def test_a_gateway_refuses_what_is_more_than_it_takes(
    server: StubOpenAI, client: httpx.Client
) -> None:
    faults.at_most(2)(server)
    server.latency = 0.1
    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(lambda _: _post(client).status_code, range(4)))
    assert found == [200, 200, 429, 429]


def test_one_slot_has_the_others_wait(server: StubOpenAI) -> None:
    faults.one_slot(server)
    server.latency = 0.02
    with httpx.Client(base_url=server.base_url) as patient, ThreadPoolExecutor(4) as pool:
        assert {reply.status_code for reply in pool.map(lambda _: _post(patient), range(4))} == {
            200
        }
    # A reply may be read before its server knows that it has ended.
    eventually(lambda: all(call.ended is not None for call in server.calls), "the end of all")
    first = min(call.arrived for call in server.calls)
    assert max(call.ended or 0.0 for call in server.calls) - first > 3 * server.latency


def test_a_call_that_hangs_ends_with_its_client(server: StubOpenAI, client: httpx.Client) -> None:
    faults.hangs(1)(server)
    assert _post(client).status_code == 200
    _in_vain(client)
    eventually(lambda: server.in_flight == 0, "the end of what hung", 5)
    assert [call.aborted for call in server.calls] == [False, True]
    faults.well(server)
    faults.hangs(0, middle=True)(server)
    _in_vain(client, stream=True)


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (faults.every(silent=True), httpx.RemoteProtocolError),
        (faults.every(silent=True, cut=Cut.RESET), httpx.ReadError),
        (faults.every(disconnect=3), httpx.RemoteProtocolError),
        (faults.every(restart=0.05), (httpx.ReadError, httpx.RemoteProtocolError)),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_connection_ends(
    plan: faults.Plan,
    error: type[Exception],
    stream: bool,
    server: StubOpenAI,
    client: httpx.Client,
) -> None:
    plan(server)
    with pytest.raises(error):
        _post(client, stream=stream)
    faults.well(server)
    eventually(lambda: not server.away, "it listens again")
    assert _post(client).status_code == 200


def test_replies_that_are_none(server: StubOpenAI, client: httpx.Client) -> None:
    faults.every(garbage=True)(server)
    assert _post(client).content == b"{not json"
    assert b"data: {not json" in _post(client, stream=True).content
    faults.well(server)
    faults.every(ends_early=5)(server)
    assert len(_post(client).content) == 5
    assert b"[DONE]" not in _post(client, stream=True).content


def test_a_header_and_a_cookie_that_have_to_be_there(
    server: StubOpenAI, client: httpx.Client
) -> None:
    faults.needs("x-here")(server)
    assert _post(client).status_code == 403
    client.headers["x-here"] = "yes"
    assert _post(client).status_code == 200
    faults.well(server)
    faults.session(server)
    assert [_post(client).status_code for _ in range(2)] == [200, 200]
    with httpx.Client(base_url=server.base_url) as stranger:
        assert _post(stranger).status_code == 401


def test_whoever_waits_for_the_slot_may_go(server: StubOpenAI) -> None:
    faults.one_slot(server)
    faults.hangs(0)(server)
    url = server.base_url
    with httpx.Client(base_url=url, timeout=30.0) as first, ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(_post, first)
        eventually(lambda: server.in_flight == 1, "the first call")
        with httpx.Client(base_url=url) as second:
            _in_vain(second)
        server.hang_up()
        assert isinstance(hanging.exception(), httpx.RemoteProtocolError | httpx.ReadError)
    with httpx.Client(base_url=server.base_url) as third:
        assert _post(third).status_code == 200


def _in_vain(client: httpx.Client, **more: object) -> None:
    """It waits for a moment for a reply that does not come."""
    patience = httpx.Timeout(30.0, read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/chat/completions", json={**ASKED, **more}, timeout=patience)


def test_one_that_ends_as_soon_as_it_listens_ends() -> None:
    for _ in range(200):
        with StubOpenAI():
            pass
