"""What the handler of a signal throws at the main thread, as soft time limits and alarms do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tests.deadline import eventually


@contextmanager
def thrown_once(happened: Callable[[], bool], error: BaseException) -> Iterator[None]:
    """Throw ``error`` at the main thread once ``happened()``."""

    def handler(*_: object) -> None:
        raise error

    main = threading.main_thread().ident
    assert main is not None

    def throw() -> None:
        eventually(happened, "what a signal is to follow")
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    thrower = threading.Thread(target=throw)
    thrower.start()
    try:
        yield
    finally:
        thrower.join()
        signal.signal(signal.SIGUSR1, before)


def read(items: Iterable[object], seen: list[object]) -> None:
    """Read to the end; what has come is seen as it comes."""
    for item in items:
        seen.append(item)


__all__ = ["read", "thrown_once"]
