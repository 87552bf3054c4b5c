"""The life of a shared process: who starts it, who is served, and when it ends."""

import asyncio
import os
import signal
import socket
import sys
import threading
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ayo_bridge import Runtime
from ayo_bridge.engines.sentence_transformer import CORES
from ayo_bridge.engines.shared.engine import threads_of
from ayo_bridge.engines.shared.frames import packed
from ayo_bridge.engines.shared.line import Line
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.engines.shared.socket_reach import SocketReach
from ayo_bridge.seam import Call
from tests.deadline import eventually
from tests.engines.shared.conftest import Client, serving
from tests.engines.shared.echo import Batches

DEADLINE = 60.0


def ask(runtime: Runtime, payload: object, group: str | None = "all") -> "Future[Any]":
    call = Call("echo", object(), payload, group=group)
    return runtime.scheduler("echo").submit(call, query=0, node="n").future


def answer(runtime: Runtime, payload: object) -> Any:
    return ask(runtime, payload).result(DEADLINE)


@pytest.mark.parametrize(("said", "threads"), [("1", 1), ("", CORES), ("two", CORES)])
def test_a_process_without_torch_shares_with_those_that_have_it(
    said: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert threads_of(SharedProcess()) == threads
    assert threads_of(SharedProcess(threads=5)) == 5


def test_clients_that_come_at_once_share_one_process_which_ends_with_the_last(
    client: Client, batches: Batches, sockets: Path
) -> None:
    clients = [client() for _ in range(4)]
    asked = [ask(each, number) for number, each in enumerate(clients)]
    assert [each.result(DEADLINE) for each in asked] == [0, 1, 2, 3]
    assert len(batches.processes()) == 1
    assert os.getpid() not in batches.processes()
    assert sockets.stat().st_mode & 0o777 == 0o700
    for each in clients[1:]:
        each.close()
    assert answer(clients[0], "still there") == "still there"
    clients[0].close()
    eventually(lambda: not serving(sockets), "the end of the shared process")
    assert not list(sockets.glob("*.sock"))


def test_calls_of_eight_clients_are_fused_to_three_batches(
    client: Client, batches: Batches
) -> None:
    clients = [client(seconds=0.3) for _ in range(8)]
    wait([ask(each, "warm") for each in clients], DEADLINE)
    warm = len(batches.lines())
    asked = [ask(each, [number, text]) for text in range(8) for number, each in enumerate(clients)]
    found = [each.result(DEADLINE) for each in asked]
    assert found == [[number, text] for text in range(8) for number in range(8)]
    sizes = [size for _, size in batches.lines()[warm:]]
    assert sum(sizes) == 64
    assert len(sizes) <= 3


def test_what_is_loaded_there_is_left_alone_by_the_collector(client: Client) -> None:
    assert answer(client(), {"frozen": True}) > 10_000


def test_arrays_come_as_they_were_and_are_the_callers_own(client: Client) -> None:
    runtime = client()
    found = answer(runtime, {"square": 3})
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    found[0, 0] = 9  # Nobody else's memory, and not read-only.
    assert answer(runtime, {"square": 0}).shape == (0, 0)


def test_a_call_that_fails_there_fails_here_with_the_engines_own_error(client: Client) -> None:
    runtime = client()
    assert answer(runtime, 1) == 1
    with pytest.raises(ValueError, match="no such text"):
        answer(runtime, {"fails": "no such text"})


def test_what_is_no_plain_data_runs_here(client: Client, batches: Batches) -> None:
    runtime = client()
    assert answer(runtime, 1) == 1
    assert answer(runtime, ("a", "tuple")) == ("a", "tuple")
    assert answer(runtime, "\ud800") == "\ud800"
    assert os.getpid() in batches.processes()


def test_a_process_that_is_killed_costs_no_answer_and_is_replaced(
    client: Client, batches: Batches, sockets: Path
) -> None:
    clients = [client(seconds=0.05) for _ in range(2)]
    assert [answer(each, 1) for each in clients] == [1, 1]
    (first,) = serving(sockets)
    asked = [ask(each, number, group=None) for number in range(10) for each in clients]
    first.send_signal(signal.SIGKILL)
    assert [each.result(DEADLINE) for each in asked] == [n for n in range(10) for _ in range(2)]
    assert [answer(each, 2) for each in clients] == [2, 2]
    assert {process.pid for process in serving(sockets)} == batches.processes() - {first.pid}
    assert len(serving(sockets)) == 1


async def test_one_that_still_listens_while_it_dies_is_looked_for_again(sockets: Path) -> None:
    sockets.mkdir(mode=0o700)
    path, came = sockets / "dying.sock", list[asyncio.Protocol]()

    def serve() -> asyncio.Protocol:
        came.append(Dies() if not came else Greets())
        return came[-1]

    class Dies(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast(asyncio.Transport, transport).abort()

    class Greets(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast(asyncio.Transport, transport).write(packed({"ready": True}))

    server = await asyncio.get_running_loop().create_unix_server(serve, path)
    reach = SocketReach(lambda: path, lambda _: pytest.fail("nothing is to start"), dict)
    connection = await reach.connect(Line(reach, asyncio.get_running_loop, print))
    connection.end()
    server.close()
    assert len(came) == 2


def test_a_process_that_hangs_is_left(
    client: Client, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ayo_bridge.engines.shared.socket_reach.PING", 0.05)
    monkeypatch.setattr("ayo_bridge.engines.shared.socket_reach.HUNG", 0.2)
    monkeypatch.setattr("ayo_bridge.engines.shared.socket_reach.HUNG_LOADING", 0.2)
    runtime = client()
    assert answer(runtime, 1) == 1
    (process,) = serving(sockets)
    process.suspend()
    assert answer(runtime, 2) == 2


def test_what_a_client_has_queued_goes_with_it(
    client: Client, batches: Batches, sockets: Path
) -> None:
    runtime = client(seconds=0.3)
    assert answer(runtime, "first") == "first"
    engine = runtime.engine("echo")
    assert isinstance(engine, MadeEngine)
    with socket.socket(socket.AF_UNIX) as gone:  # Another process, which is killed.
        gone.connect(str(next(sockets.glob("*.sock"))))
        gone.sendall(packed(engine.hello()))
        assert b"ready" in gone.recv(100)
        for number in range(5):
            gone.sendall(packed({"id": number, "payload": number, "items": 1, "group": None}))
        eventually(lambda: len(batches.lines()) == 2, "its first call")
    assert answer(runtime, "last") == "last"
    assert len(batches.lines()) == 3


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", packed({}) + b"\xff" * 20])
def test_one_who_sends_something_else_is_left_alone(
    client: Client, sockets: Path, sent: bytes
) -> None:
    runtime = client()
    assert answer(runtime, 1) == 1
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(next(sockets.glob("*.sock"))))
        other.sendall(sent)
        other.settimeout(DEADLINE)
        while other.recv(1000):
            pass
    assert answer(runtime, 2) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_a_connection_of_its_own(client: Client, sockets: Path) -> None:
    runtime = client()
    assert answer(runtime, "parent") == "parent"
    goes, waits = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(waits)
            status = 0 if answer(runtime, "child") == "child" else 2
            runtime.close()
            os.read(goes, 1)  # Lives on: what it has of its parent keeps no process alive.
        finally:
            os._exit(status)
    os.close(goes)
    assert answer(runtime, "again") == "again"
    runtime.close()
    eventually(lambda: not serving(sockets), "the end of the shared process")
    os.close(waits)
    assert os.waitpid(child, 0)[1] == 0


def test_a_directory_that_others_can_read_is_not_used(client: Client, sockets: Path) -> None:
    sockets.mkdir(mode=0o755)
    sockets.chmod(0o755)
    runtime = client()
    assert answer(runtime, 1) == 1
    assert not list(sockets.iterdir())


def test_a_call_that_is_cancelled_is_taken_back_there(client: Client, batches: Batches) -> None:
    runtime = client(seconds=0.3)
    assert answer(runtime, "first") == "first"
    scheduler = runtime.scheduler("echo")
    calls = [Call("echo", object(), number) for number in range(3)]
    requests = [scheduler.submit(call, query=0, node="n") for call in calls]
    eventually(lambda: len(batches.lines()) == 2, "the first call")
    requests[1].cancel()
    assert requests[2].future.result(DEADLINE) == 2
    assert requests[1].future.cancelled()
    assert len(batches.lines()) == 3


def test_closing_the_runtime_leaves_nobody_waiting(client: Client) -> None:
    runtime = client(seconds=0.5)
    assert answer(runtime, 1) == 1
    asked = [ask(runtime, number, group=None) for number in range(3)]
    closing = threading.Thread(target=runtime.close)
    closing.start()
    for each in asked:
        with suppress(CancelledError):
            each.result(DEADLINE)
    closing.join()
