"""Where modules and engines are: in this process. :mod:`benchmarks.apps.arms.on_ray` is the other.

An object is started, and then its methods are called by name. A call returns at once with what its
value can be had by, which may be given to further calls: those begin when it is there.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

THREADS: Final = 64
"""Calls of modules at a time: more than there are queries under way."""


class Ref(Protocol):
    """A value that is being made."""

    def get(self) -> Any:
        """The value; raises what making it has raised."""


class Handle(Protocol):
    """An object that was started."""

    def ready(self) -> Ref:
        """Something that is there as soon as the object is made."""

    def call(self, method: str, *args: Any) -> Ref:
        """Call a method that is a coroutine function: of an engine."""

    def run(self, *args: Any) -> tuple[Ref, Ref]:
        """Call ``run`` in a thread, when all refs among the arguments are there; of a module.

        It returns a value, and something small that is there as soon as the value is.
        """


class Place(Protocol):
    """Where objects are started."""

    def start(self, make: Callable[..., Any], *args: Any) -> Handle:
        """Have ``make(*args)`` there."""

    def close(self) -> None:
        """End all of them."""


class InProcess:
    """Plain objects: modules are called in threads, engines on a loop of their own."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS, "modules")
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="engines", daemon=True)
        self._thread.start()
        self._started: list[Any] = []

    def start(self, make: Callable[..., Any], *args: Any) -> Handle:
        """Make the object."""
        self._started.append(make(*args))
        return _Object(self._started[-1], self)

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()
        for each in self._started:
            if hasattr(each, "close"):
                each.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _Value:
    def __init__(self, future: Future[Any], at: int | None = None) -> None:
        self._future, self._at = future, at

    def get(self) -> Any:
        value = self._future.result()
        return value if self._at is None else value[self._at]


class _Object:
    def __init__(self, obj: Any, place: InProcess) -> None:
        self._obj, self._place = obj, place

    def ready(self) -> Ref:
        made: Future[Any] = Future()
        made.set_result(True)
        return _Value(made)

    def call(self, method: str, *args: Any) -> Ref:
        called = getattr(self._obj, method)
        assert inspect.iscoroutinefunction(called), "what engines have is awaited"
        return _Value(asyncio.run_coroutine_threadsafe(called(*args), self._place.loop))

    def run(self, *args: Any) -> tuple[Ref, Ref]:
        # What is waited for was given to the pool before this: it has a thread, or comes first.
        def called() -> Any:
            return self._obj.run(*(a.get() if isinstance(a, _Value) else a for a in args))

        made = self._place.pool.submit(called)
        return _Value(made, 0), _Value(made, 1)


__all__ = ["THREADS", "Handle", "InProcess", "Place", "Ref"]
