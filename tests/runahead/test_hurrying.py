"""What the original's threads would ask a model side by side does not queue for one thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from ayo_bridge.runahead import Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Hit, Limits, Outcome
from tests.runahead.fakes import call, open_scope

DEADLINE = 10.0
KEYS = ("a", "b", "c")


@dataclass
class Model(BatchEngine):
    """Answers ``echo <payload>`` once so many batches are in it at the same time."""

    name: str = "llm"
    kind: EngineKind = EngineKind.EMBEDDING
    limits: Limits = field(default_factory=Limits)
    at_once: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    served: list[tuple[object, ...]] = field(default_factory=list)
    broken: bool = False

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        self.served.append(tuple(call.payload for call in calls))
        self.at_once.wait(DEADLINE)
        if self.broken:
            raise ValueError("broken")
        return [f"echo {call.payload}" for call in calls]


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    made = Runtime()
    yield made
    made.close()


def waited_for(scope: Scope, key: str) -> Hit | None:
    ticket = scope.claim(key)
    assert ticket is not None
    return ticket.wait()


def asked_together(scope: Scope) -> list[Hit | None]:
    """The original asks for everything at once, each in a thread of its own."""
    with ThreadPoolExecutor(len(KEYS)) as pool:
        return list(pool.map(lambda key: waited_for(scope, key), KEYS))


def test_calls_that_share_no_batch_run_side_by_side_as_soon_as_they_are_asked_for(
    runtime: Runtime,
) -> None:
    model = Model(at_once=threading.Barrier(len(KEYS)))
    runtime.register(model)
    scope = open_scope(runtime, {"p": [call(key) for key in KEYS]})
    hits = asked_together(scope)
    scope.close()
    assert [hit and hit.value for hit in hits] == ["echo a", "echo b", "echo c"]
    assert sorted(model.served) == [("a",), ("b",), ("c",)]
    assert [each.outcome for each in scope.record.calls] == [Outcome.HIT] * 3


def test_calls_that_share_a_batch_wait_for_it(runtime: Runtime) -> None:
    model = Model()
    runtime.register(model)
    scope = open_scope(runtime, {"p": [replace(call(key), group="texts") for key in KEYS]})
    assert None not in asked_together(scope)
    scope.close()
    assert model.served == [KEYS]


def test_what_nobody_asks_for_yet_stays_in_its_queue(runtime: Runtime) -> None:
    model = Model(at_once=threading.Barrier(2))
    runtime.register(model)
    scope = open_scope(runtime, {"p": [call(key) for key in KEYS]})
    hit = waited_for(scope, "b")
    assert hit is not None
    assert hit.value == "echo b"
    # It met the first, which had the one instance; the last has waited for that.
    assert sorted(model.served[:2]) == [("a",), ("b",)]
    model.at_once.abort()
    scope.close()


def test_a_failure_leaves_the_call_to_the_original(runtime: Runtime) -> None:
    model = Model(at_once=threading.Barrier(len(KEYS)), broken=True)
    runtime.register(model)
    scope = open_scope(runtime, {"p": [call(key) for key in KEYS]})
    assert asked_together(scope) == [None] * 3
    assert [each.outcome for each in scope.record.calls] == [Outcome.DROPPED] * 3
    assert runtime.scheduler("llm").depth == 0
    scope.close()
