"""Fixtures of the hazard tests; after each test nothing may be left running."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime, default_runtime
from tests.deadline import eventually
from tests.differential.harness import EagerRuntime, Env
from tests.differential.llama_index import collect_garbage, settings
from tests.stub_openai import StubOpenAI


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with settings():
        yield


@pytest.fixture(scope="session")
def hazard_stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.0) as stub:
        yield stub


@pytest.fixture
def stub(hazard_stub: StubOpenAI) -> StubOpenAI:
    """A stub that answers at once until the test says otherwise."""
    hazard_stub.reset()
    hazard_stub.latency = hazard_stub.token_interval = 0.0
    return hazard_stub


@pytest.fixture
def env(stub: StubOpenAI, request: pytest.FixtureRequest) -> Env:
    return Env(stub, request.getfixturevalue)


def _connections() -> int:
    """Connections to elsewhere that are open in this process."""
    return sum(c.status == psutil.CONN_ESTABLISHED for c in psutil.Process().net_connections())


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _once() -> set[threading.Thread]:
    """Threads that are started once in a process: of progress bars, and what forks our servers."""
    once = ("tqdm_monitor", "ayo-engine-forker")
    return {thread for thread in threading.enumerate() if thread.name in once}


def _collect() -> None:
    """Collect garbage; the SDK's clients are not closed, and that is not our concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def _leaves_nothing(stub: StubOpenAI) -> Iterator[None]:
    """No thread, no child, no connection more than before; no request still in the server."""
    _collect()
    threads, children, connections = set(threading.enumerate()), _children(), _connections()
    yield
    eventually(lambda: stub.in_flight == 0, "the end of all requests at the server", 10)

    def gone() -> bool:
        _collect()
        return (
            not {thread for thread in threading.enumerate() if thread not in threads} - _once()
            and _children() <= children
            and _connections() <= connections
        )

    try:
        eventually(gone, "the end of threads, children and connections", 10)
    except AssertionError:
        left = [thread.name for thread in threading.enumerate() if thread not in threads]
        more = _connections() - connections
        pytest.fail(f"left behind: threads {left}, {more} connections, {_children() - children}")


@pytest.fixture
def runtime(_leaves_nothing: None, tmp_path: Path) -> Iterator[Runtime]:
    """A runtime whose loop has to be empty again at the end."""
    made = EagerRuntime(profiles=ProfileStore(tmp_path))
    yield made
    eventually(lambda: not tasks_of(made), "the end of all tasks on the runtime's loop", 10)
    made.close()


@pytest.fixture
def default(_leaves_nothing: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A default runtime of the test's own."""
    monkeypatch.setattr("ayo_bridge.runtime._default", None)
    made = default_runtime()
    yield made
    made.close()


def tasks_of(runtime: Runtime) -> set[str]:
    """Names of the tasks on the runtime's loop, but for probes: they are the runtime's own."""
    loop = runtime._loop
    if loop is None or loop.is_closed():
        return set()
    names = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks(loop)}
    return names - {"prove", "_prove"}


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage(little_garbage: None) -> Iterator[None]:
    yield
    collect_garbage()
