"""The engines of the baselines: what shares a batch, and who is admitted."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from ayo_bridge.seam import EngineKind
from benchmarks.apps.arms.queues import PO, TO, Admission, Batches, best_batch


class Held:
    """Serves one batch at a time, each when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, how: str, items: list[Any]) -> list[Any]:
        self.batches.append(items)
        self.began.release()
        self.go.acquire()
        return [f"{how} {item}" for item in items]


def asked(policy: str, best: int = 4) -> tuple[list[list[Any]], list[list[Any]]]:
    """The batches that form while the first is served, and the answers."""
    held = Held()
    queue = Batches("embedding", EngineKind.EMBEDDING, held, best, policy)
    waiting: list[list[Future[Any]]] = [queue.ask("first", "text", ["0"])]
    held.began.acquire()
    waiting.append(queue.ask("one", "text", ["1", "2"]))
    waiting.append(queue.ask("other", "text", ["3"]))
    waiting.append(queue.ask("one", "text", ["4"]))
    waiting.append(queue.ask("other", "query", ["5"]))
    held.go.release(9)
    answers = [[r for part in parts for r in part.result(5)] for parts in waiting]
    queue.close()
    return held.batches, answers


def test_po_serves_one_invocation_at_a_time_and_to_what_waits() -> None:
    served, answers = asked(PO)
    assert served == [["0"], ["1", "2", "4"], ["3"], ["5"]]
    assert answers == [["text 0"], ["text 1", "text 2"], ["text 3"], ["text 4"], ["query 5"]]
    served, same = asked(TO)
    assert served == [["0"], ["1", "2", "3", "4"], ["5"]]
    assert same == answers


def test_more_than_a_batch_holds_is_cut_and_comes_back_in_order() -> None:
    queue = Batches("e", EngineKind.EMBEDDING, lambda how, items: items, 2, TO)
    parts = queue.ask("it", "text", [1, 2, 3, 4, 5])
    assert [part.result(5) for part in parts] == [[1, 2], [3, 4], [5]]
    queue.close()


def test_an_error_reaches_who_asked_and_nobody_else() -> None:
    def serve(how: str, items: list[int]) -> list[float]:
        return [1 / item for item in items]

    queue = Batches("e", EngineKind.EMBEDDING, serve, 8, TO)
    with queue.scheduler.held():
        (wrong,), (right,) = queue.ask("one", "text", [0]), queue.ask("other", "text", [2])
    assert right.result(5) == [0.5]
    with pytest.raises(ZeroDivisionError):
        wrong.result(5)
    queue.close()


def test_b_is_where_throughput_stops_rising(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def serve(how: str, items: list[str]) -> list[str]:
        now[0] += 1.0 + max(0, len(items) - 8)
        return items

    monkeypatch.setattr("benchmarks.apps.arms.queues.time.perf_counter", lambda: now[0])
    assert best_batch(serve, "text", "word") == 8


def test_an_llm_is_asked_by_as_many_as_its_cache_holds_in_order() -> None:
    door = Admission("llm", TO, kv_tokens=100)
    first, second, third = (door.enter(i, tokens) for i, tokens in enumerate((60, 60, 20)))
    assert first.done()
    # There is room for the third, which does not overtake.
    assert [second.done(), third.done()] == [False, False]
    door.leave(first.result())
    assert [second.done(), third.done()] == [True, True]
    door.leave(third.result())
    door.leave(second.result())


def test_a_call_larger_than_the_cache_comes_in_alone_and_an_unknown_cache_lets_all_in() -> None:
    door = Admission("llm", PO, kv_tokens=100)
    large, after = door.enter(0, 1000), door.enter(1, 10)
    assert [large.done(), after.done()] == [True, False]
    door.leave(large.result())
    assert after.done()
    door.leave(after.result())
    open_door = Admission("llm", PO)
    assert all(open_door.enter(each, 10**6).done() for each in range(9))
