"""Waiting for what happens in other processes, without sleeping for an order of events."""

import time
from collections.abc import Callable


def eventually(happened: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Return once `happened()`; fail the test when it has not after `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.01)
