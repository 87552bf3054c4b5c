"""One queue over several holders of an engine: who runs what, and what a death costs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any

import pytest

from ayo_bridge.engines.shared.frames import Frames, packed
from ayo_bridge.engines.shared.line import Lost
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from ayo_bridge.serving.shared.client import outcome_frame
from ayo_bridge.serving.shared.spread import Replica, SpreadRuntime
from tests.deadline import eventually

HERE = "here"


class Held(BatchEngine):
    """Says where a call ran; runs a batch when it is let go."""

    name, kind, limits = "held", EngineKind.EMBEDDING, Limits(max_items=4)

    def __init__(self) -> None:
        self.go = threading.Event()
        self.ran: list[list[object]] = []

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        self.ran.append([call.payload for call in calls])
        assert self.go.wait(30)
        return [[HERE, call.payload] for call in calls]


class Other(Replica):
    """A replica in the test's hands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches: list[list[Any]] = []
        self.answers: list[Future[bytes]] = []
        self.revived = 0
        self.alive = threading.Event()

    async def run(self, frames: bytes) -> bytes:
        answer: Future[bytes] = Future()
        self.answers.append(answer)
        self.batches.append([header for header, _ in Frames().feed(frames)])
        return await asyncio.wrap_future(answer)

    async def revive(self) -> bool:
        self.revived += 1
        return self.alive.is_set()

    def answer(self) -> None:
        """Answer the oldest batch."""
        asked = self.batches[len(self.batches) - len(self.answers)]
        results = [outcome_frame(each["id"], [self.name, each["payload"]]) for each in asked]
        self.answers.pop(0).set_result(b"".join(results))

    def die(self) -> None:
        """Lose all that it runs."""
        answers, self.answers = self.answers, []
        for answer in answers:
            answer.set_exception(Lost())

    def asked(self, times: int) -> None:
        """Return once it has been asked so often."""
        eventually(lambda: len(self.batches) >= times, f"{self.name}'s batch {times}")


class Queue:
    """A runtime whose engine has two further holders."""

    def __init__(self) -> None:
        self.engine, self.others = Held(), [Other("one"), Other("two")]
        self.runtime = SpreadRuntime(self.others, measure=False)
        self.scheduler = self.runtime.register(self.engine)
        for other in self.others:
            other.alive.set()

    def begin(self) -> None:
        self.runtime.spread.begin(lambda call: {"payload": call.payload})
        eventually(lambda: self.runtime.spread.up == 3, "all replicas")

    def ask(self, payloads: Sequence[object], query: int = 0) -> list[Future[Any]]:
        with self.scheduler.held():
            calls = [Call("held", object(), each, group="all") for each in payloads]
            return [self.scheduler.submit(c, query=query, node="n").future for c in calls]


@pytest.fixture
def queue() -> Iterator[Queue]:
    made = Queue()
    yield made
    made.engine.go.set()
    made.runtime.close()


def test_batches_of_one_queue_go_to_all_holders_and_what_is_more_waits(queue: Queue) -> None:
    assert queue.scheduler.engine.limits.instances == 1
    queue.begin()
    asked = queue.ask(range(18))
    # Three share what waits, four at most each; the rest stays in the queue, where policies decide.
    eventually(lambda: len(queue.engine.ran) == 1, "the batch here")
    one, two = queue.others
    for other in queue.others:
        other.asked(1)
    assert queue.scheduler.depth == 6
    one.answer()
    one.asked(2)
    assert [each["payload"] for each in one.batches[1]] == [12, 13, 14, 15]
    two.answer()
    two.asked(2)
    one.answer()
    two.answer()
    queue.engine.go.set()
    found = [each.result(30) for each in asked]
    assert [payload for _, payload in found] == list(range(18))
    assert [where for where, _ in found[:12:4]] == [HERE, "one", "two"]


def test_a_batch_whose_replica_dies_runs_once_more_at_another(queue: Queue) -> None:
    queue.begin()
    one, two = queue.others
    one.alive.clear()
    asked = queue.ask(range(3))
    eventually(lambda: len(queue.engine.ran) == 1, "the batch here")
    one.asked(1)
    one.die()
    eventually(lambda: one.revived == 2, "another try to start it")
    assert queue.runtime.spread.up == 2
    queue.engine.go.set()
    assert asked[0].result(30) == [HERE, 0]
    two.asked(1)
    two.answer()
    wait(asked, 30)
    assert [payload for _, payload in (each.result(30) for each in asked)] == [0, 1, 2]
    assert len(one.batches) == 1
    assert len(queue.engine.ran) + len(two.batches) == 3


def test_a_batch_that_is_lost_twice_fails_for_those_who_have_asked(queue: Queue) -> None:
    queue.begin()
    one, two = queue.others
    asked = queue.ask(range(3))
    one.asked(1)
    two.asked(1)
    two.answer()
    assert asked[2].result(30) == ["two", 2]
    one.alive.clear()
    one.die()
    two.asked(2)
    assert two.batches[1] == one.batches[0]
    two.alive.clear()
    two.die()
    with pytest.raises(Lost):
        asked[1].result(30)
    eventually(lambda: queue.runtime.spread.up == 1, "both deaths")
    assert queue.scheduler.engine.limits.instances == 1
    queue.engine.go.set()
    assert asked[0].result(30) == [HERE, 0]


def test_what_is_no_answer_counts_as_a_death(queue: Queue) -> None:
    queue.begin()
    one, two = queue.others
    asked = queue.ask(range(3))
    one.asked(1)
    two.asked(1)
    two.answer()
    queue.engine.go.set()
    assert asked[0].result(30) == [HERE, 0]  # Now here is who has the fewest, and comes first.
    one.answers.pop().set_result(packed({"id": 0, "value": 1}) * 2)
    assert [payload for _, payload in (each.result(30) for each in asked)] == [0, 1, 2]
    eventually(lambda: one.revived == 2, "another try to start it")
