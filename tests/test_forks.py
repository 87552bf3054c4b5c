"""What a forked child has of its parent: locks are free, and no call of the parent goes on."""

import os
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from ayo_bridge.learn.tracing.places import current_place, opened, within
from ayo_bridge.seam import Scope, current_scope, entered, new_lock, new_rlock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def in_a_child(holds: Callable[[], bool]) -> bool:
    """Whether something is so in a forked child."""
    child = os.fork()
    if child == 0:
        so = False
        try:
            so = holds()
        finally:
            os._exit(0 if so else 1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("new", [new_lock, new_rlock])
def test_a_lock_that_another_thread_holds_is_free_in_a_child(new: Callable[[], Any]) -> None:
    lock, held, over = new(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(30)
        assert not lock.acquire(blocking=False)
        assert in_a_child(lambda: lock.acquire(timeout=1))
    finally:
        over.set()
        thread.join()


class Open:
    """A scope, as far as this is about it."""

    closed = False


def test_a_child_that_is_forked_in_a_call_is_in_no_call() -> None:
    scope = cast(Scope, Open())
    place = opened(None, lambda: None)
    try:
        with entered(scope), within(place):
            assert in_a_child(lambda: current_scope() is None and current_place() is None)
            assert current_scope() is scope
            assert current_place() is place
    finally:
        place.close()
