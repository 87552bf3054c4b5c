"""An engine in a Ray actor: found by name, fused over its clients, replaced when it dies."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from ayo_bridge import Runtime
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.ray_reach import NAMESPACE, RayActor
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import EngineKind
from tests.deadline import eventually
from tests.engines.shared.echo import Batches
from tests.engines.shared.test_process import DEADLINE, answer, ask

ray: Any = pytest.importorskip("ray")
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One node, on the loopback alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        local = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        ray.init(num_cpus=4, log_to_driver=False, configure_logging=False, **local)
        yield
        ray.shutdown()


@pytest.fixture
def clients(batches: Batches) -> Iterator[list[Runtime]]:
    made = [Runtime(engines=[engine(batches)], measure=False) for _ in range(2)]
    yield made
    for runtime in made:
        runtime.close()
    for actor in actors():
        ray.kill(actor)


def engine(batches: Batches, **options: Any) -> MadeEngine:
    return MadeEngine(
        "echo",
        EngineKind.EMBEDDING,
        "tests.engines.shared.echo:make",
        placement=RayActor(num_cpus=0.1, **options),
        log=str(batches.file),
        seconds=0.2,
    )


def actors() -> list[Any]:
    named = ray.util.list_named_actors(all_namespaces=True)
    return [ray.get_actor(**each) for each in named if each["namespace"] == NAMESPACE]


def test_calls_of_all_clients_are_fused_in_one_actor_that_outlives_its_death(
    clients: list[Runtime], batches: Batches
) -> None:
    assert [answer(each, "first") for each in clients] == ["first", "first"]
    (actor,) = actors()
    before = len(batches.lines())
    asked = [ask(each, [number]) for number in range(8) for each in clients]
    assert [each.result(DEADLINE) for each in asked] == [[n] for n in range(8) for _ in clients]
    assert len(batches.lines()) - before <= 3
    assert answer(clients[0], {"square": 2}).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="no such text"):
        answer(clients[0], {"fails": "no such text"})

    dead = batches.lines()[-1][0]
    asked = [ask(each, number, group=None) for number in range(4) for each in clients]
    ray.kill(actor, no_restart=False)
    assert [each.result(DEADLINE) for each in asked] == [n for n in range(4) for _ in clients]
    engines = [each.engine("echo") for each in clients]
    eventually(lambda: all(each.elsewhere for each in engines if each), "another actor", DEADLINE)
    assert answer(clients[1], "again") == "again"
    assert batches.lines()[-1][0] != dead


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
        for actor in actors():
            ray.kill(actor)


def both(clients: list[Runtime], batches: Batches) -> set[int]:
    """Ask by all clients at once; where that ran."""
    before = len(batches.lines())
    asked = [ask(each, number) for number in range(4) for each in clients]
    assert [each.result(DEADLINE) for each in asked] == [n for n in range(4) for _ in clients]
    return {process for process, _ in batches.lines()[before:]}
