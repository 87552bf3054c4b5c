"""An engine in a Ray actor: found by name, fused over its clients, replaced when it dies."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ayo_bridge import Runtime
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.ray_reach import RayActor, RayReach
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import EngineKind
from tests.deadline import eventually
from tests.engines.shared.echo import Batches
from tests.engines.shared.test_process import DEADLINE, answer, ask
from tests.ray_cluster import Nodes, cluster, end_actors

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module", autouse=True)
def nodes() -> Iterator[Nodes]:
    with cluster() as made:
        yield made


@pytest.fixture
def clients(batches: Batches) -> Iterator[list[Runtime]]:
    made = [Runtime(engines=[engine(batches)], measure=False) for _ in range(2)]
    yield made
    for runtime in made:
        runtime.close()
    end_actors()


def engine(batches: Batches, **options: Any) -> MadeEngine:
    return MadeEngine(
        "echo",
        EngineKind.EMBEDDING,
        "tests.engines.shared.echo:make",
        placement=RayActor(num_cpus=0.1, **options),
        log=str(batches.file),
        seconds=0.2,
    )


def test_calls_of_all_clients_are_fused_in_one_actor_that_outlives_its_death(
    clients: list[Runtime], batches: Batches
) -> None:
    assert [answer(each, "first") for each in clients] == ["first", "first"]
    before = len(batches.lines())
    asked = [ask(each, [number]) for number in range(8) for each in clients]
    assert [each.result(DEADLINE) for each in asked] == [[n] for n in range(8) for _ in clients]
    assert len(batches.lines()) - before <= 3
    assert answer(clients[0], {"square": 2}).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="no such text"):
        answer(clients[0], {"fails": "no such text"})

    dead = batches.lines()[0][0]
    asked = [ask(each, number, group=None) for number in range(4) for each in clients]
    os.kill(dead, signal.SIGKILL)
    assert [each.result(DEADLINE) for each in asked] == [n for n in range(4) for _ in clients]
    engines = [each.engine("echo") for each in clients]
    eventually(lambda: all(each.elsewhere for each in engines if each), "another actor", DEADLINE)
    assert answer(clients[1], "again") == "again"
    assert batches.lines()[-1][0] != dead


def test_a_process_joins_once_whoever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[str] = []

    def init(**options: Any) -> None:
        threading.Event().wait(0.05)  # Meanwhile others come.
        joined.append(options["address"])

    fake = SimpleNamespace(is_initialized=lambda: bool(joined), init=init)
    monkeypatch.setitem(sys.modules, "ray", fake)
    reaches = [RayReach(RayActor(address="there"), dict, {}) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(RayReach._joined, reaches)) == [fake] * 3
    assert joined == ["there"]


def test_processes_with_other_paths_find_the_same_actor(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = engine(batches).facts()
    monkeypatch.syspath_prepend("/elsewhere")  # As Ray does with its own, once a process.
    assert engine(batches).facts() == known


def test_a_placement_without_actors_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        RayActor(replicas=0)


def test_replicas_share_one_queue_and_the_death_of_one_is_seen_by_nobody(
    batches: Batches,
) -> None:
    clients = [Runtime(engines=[engine(batches, replicas=2)], measure=False) for _ in range(2)]
    try:
        assert [answer(each, "first") for each in clients] == ["first", "first"]
        queue = batches.lines()[0][0]
        eventually(lambda: len(both(clients, batches)) == 2, "another replica", DEADLINE)
        before = len(batches.lines())
        (other,) = both(clients, batches) - {queue}
        sizes = [size for _, size in batches.lines()[before:]]
        assert sum(sizes) == 8
        assert len(sizes) <= 4  # The first call goes alone.

        asked = [ask(each, number, group=None) for number in range(4) for each in clients]
        eventually(lambda: batches.lines()[-2:][0][0] != batches.lines()[-1][0], "both", DEADLINE)
        os.kill(other, signal.SIGKILL)
        assert [each.result(DEADLINE) for each in asked] == [n for n in range(4) for _ in clients]
        eventually(lambda: len(both(clients, batches)) == 2, "a new replica", DEADLINE)
        assert os.getpid() not in batches.processes()
        assert other not in both(clients, batches)
    finally:
        for runtime in clients:
            runtime.close()
        end_actors()


def test_actors_on_a_node_that_dies_come_back_on_another(nodes: Nodes, batches: Batches) -> None:
    placed = engine(batches, resources=(("holds", 1.0),))
    runtime = Runtime(engines=[placed], measure=False)
    node = nodes.add(holds=1)
    try:
        assert answer(runtime, "first") == "first"
        dead = batches.lines()[0][0]
        asked = [ask(runtime, number, group=None) for number in range(4)]
        nodes.kill(node)
        node = nodes.add(holds=1)
        assert [each.result(DEADLINE) for each in asked] == list(range(4))
        eventually(lambda: placed.elsewhere, "another actor", DEADLINE)
        assert answer(runtime, "again") == "again"
        assert batches.lines()[-1][0] not in (dead, os.getpid())
    finally:
        runtime.close()
        end_actors()
        nodes.kill(node)


def both(clients: list[Runtime], batches: Batches) -> set[int]:
    """Ask by all clients at once; where that ran."""
    before = len(batches.lines())
    asked = [ask(each, number) for number in range(4) for each in clients]
    assert [each.result(DEADLINE) for each in asked] == [n for n in range(4) for _ in clients]
    return {process for process, _ in batches.lines()[before:]}
