"""A pytest plugin: whatever runnable a test calls, it calls ``accelerate(runnable)`` in its place.

``pytest -p accelerating``, with this folder on the path: the tests that it is made for have a
package ``tests`` of their own, so the plugin belongs to none. Looking a call up is what is changed
(``chain.invoke`` is ``accelerate(chain).invoke``): identity, equality, ``repr`` and snapshots of
the objects that a test holds stay what they were. Calls of runnables by runnables are the
framework's own and stay, unless ``AYO_CONFORMANCE=every``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from ayo_bridge import accelerate
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.subclass import state_of

CALLS: Final = frozenset(
    {
        *("invoke", "ainvoke", "batch", "abatch", "batch_as_completed", "abatch_as_completed"),
        *("stream", "astream", "transform", "atransform"),
        *("astream_events", "astream_log", "stream_events"),
        *("run", "arun", "predict", "apredict", "apply", "aapply", "generate", "agenerate"),
    }
)
"""What applications call of runnables, tools, chains and models."""
ALL_CALLERS: Final = os.environ.get("AYO_CONFORMANCE") == "every"
_PRIVATE: Final = ("__pydantic_private__", "__pydantic_fields_set__", "__pydantic_extra__")


class Accelerated:
    """The accelerated objects of those that tests call, for as long as these live."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._lock = threading.RLock()
        self.calls: Counter[str] = Counter()
        """How often each call was looked up on an accelerated object."""

    def of(self, obj: Any) -> Any:
        """``accelerate(obj)``, made once."""
        with self._lock:
            made = self._made.get(id(obj))
            if made is None:
                with _outside_of_loops():
                    made = self._made[id(obj)] = _accelerated(obj)
                weakref.finalize(obj, self._made.pop, id(obj), None)
        return made


@contextmanager
def _outside_of_loops() -> Iterator[None]:
    """Applications accelerate when they start: reading a function's source would block a loop, and
    some of these tests watch for that."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


def _accelerated(obj: Any) -> Any:
    """An application goes on with what ``accelerate`` returns; these tests go on with ``obj``, so
    what a call writes into the one has to stand in the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotAcceleratedWarning)
        fast = accelerate(obj)
    if fast is not obj:
        object.__setattr__(fast, "__dict__", obj.__dict__)
        for name in _PRIVATE:
            if hasattr(type(obj), name):
                object.__setattr__(fast, name, object.__getattribute__(obj, name))
    return fast


def _by_a_test(file: str) -> bool:
    parts = file.replace(os.sep, "/")
    return "/tests/" in parts or "/langchain_tests/" in parts


def _by_us(file: str) -> bool:
    """To accelerate an object its methods are looked at."""
    return "/ayo_" in file.replace(os.sep, "/")


@contextmanager
def installed(*, all_callers: bool = ALL_CALLERS) -> Iterator[Accelerated]:
    """Have every call of a runnable that a test looks up be that of the accelerated one."""
    from langchain_core.runnables import Runnable

    accelerated = Accelerated()
    original = Runnable.__getattribute__

    def found(self: Any, name: str) -> Any:
        if name not in CALLS or state_of(self) is not None:
            return original(self, name)
        file = sys._getframe(1).f_code.co_filename
        if _by_us(file) or not (all_callers or _by_a_test(file)):
            return original(self, name)
        fast = accelerated.of(self)
        accelerated.calls[name] += 1
        return getattr(fast, name)

    Runnable.__getattribute__ = found  # type: ignore[method-assign]
    try:
        yield accelerated
    finally:
        Runnable.__getattribute__ = original  # type: ignore[method-assign]


_KEPT: Final = ExitStack()
_accelerated_calls: Counter[str] = Counter()


def _warm_up() -> None:
    """Applications load what acceleration needs when they start; some tests time their calls."""
    from langchain_core.runnables import RunnableLambda

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotAcceleratedWarning)
        assert accelerate(RunnableLambda(str.upper)).invoke("a") == "A"


def pytest_configure(config: pytest.Config) -> None:
    global _accelerated_calls
    _warm_up()
    _accelerated_calls = _KEPT.enter_context(installed()).calls
    config.add_cleanup(_KEPT.close)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    calls = ", ".join(f"{name} {count}" for name, count in _accelerated_calls.most_common())
    terminalreporter.write_line(f"calls on accelerated objects: {calls or 'none'}")
