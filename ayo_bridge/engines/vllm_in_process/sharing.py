"""Calls of one ``vllm.LLM`` from many threads, each run by the library's own code.

``LLM.generate`` adds its requests to the engine of the LLM and steps that until they are done.
Here it still does, in the thread that asks, but what it calls of the engine
(``LLMEngine.add_request``, ``step``, ...) goes by turns (:mod:`.turns`): its steps serve everybody,
and it sees its own requests alone. So arguments, errors, progress bars and results are the
library's, and the engine batches the calls of all threads as it does the prompts of one.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from ayo_bridge.engines.vllm_in_process.turns import Caller, Output, Turns
from ayo_bridge.seam import new_lock

T = TypeVar("T")
_lock: Final = new_lock()
_turns: Final[weakref.WeakKeyDictionary[Any, Turns]] = weakref.WeakKeyDictionary()


class _Asking(threading.local):
    """Which engine this thread asks, and as whom."""

    engine: Any = None
    caller: Caller | None = None


_asking: Final = _Asking()


def turns_of(engine: Any) -> Turns:
    """The turns at an ``LLMEngine``. Does not keep it alive."""
    with _lock:
        turns = _turns.get(engine)
        if turns is None:
            reference = weakref.ref(engine)

            def step() -> Iterable[Output]:
                with by_hand():
                    outputs: Iterable[Output] = reference().step()  # type: ignore[union-attr]
                return outputs

            def abort(requests: list[str]) -> None:
                reference().abort_request(requests)  # type: ignore[union-attr]

            def unfinished() -> int:
                with by_hand():
                    # Not has_unfinished_requests: that asks the other ranks of a data-parallel
                    # engine, which would have to ask as often.
                    found: int = reference().get_num_unfinished_requests()  # type: ignore[union-attr]
                return found

            turns = _turns[engine] = Turns(step, abort, unfinished)
        return turns


class _As:
    """A block in which this thread asks an engine as somebody. Every step has two: no generator."""

    __slots__ = ("_asks", "_before")

    def __init__(self, engine: Any, caller: Caller | None) -> None:
        self._asks = engine, caller

    def __enter__(self) -> None:
        self._before = _asking.engine, _asking.caller
        _asking.engine, _asking.caller = self._asks

    def __exit__(self, *_: object) -> None:
        _asking.engine, _asking.caller = self._before


def by_hand() -> _As:
    """A block in which this thread uses engines as they are. It is its turn."""
    return _As(None, None)


def asked(engine: Any) -> Caller | None:
    """As whom this thread asks an engine by turns; ``None``: it has it for itself, or by hand."""
    caller = _asking.caller if _asking.engine is engine else None
    return None if caller is None or caller.alone else caller


def in_turn(engine: Any, caller: Caller, call: Callable[[], T]) -> T:
    """Make a call that asks an engine, as a caller of its own; inside of one it is part of that.

    Raises:
        CancelledError: the caller was aborted meanwhile.
        BaseException: whatever the call raises.
    """
    if _asking.engine is engine:
        return call()
    with turns_of(engine).entered(caller), _As(engine, caller):
        return call()


def unshared(engine: Any) -> str | None:
    """Why calls of an engine share no steps but follow one another, or ``None`` if they do."""
    parallel = engine.vllm_config.parallel_config
    if parallel.data_parallel_size > 1 or parallel.distributed_executor_backend == (
        "external_launcher"
    ):
        return "its other ranks make the same steps in the same order"
    return None


# What ``LLM`` calls of its engine.


def add(engine: Any, caller: Caller, request: str, sequences: int, add: Callable[[], T]) -> T:
    """``LLMEngine.add_request``."""
    turns = turns_of(engine)
    turns.own(caller)
    result = add()
    turns.added(caller, request, sequences)
    return result


def answer(engine: Any, caller: Caller, request: str, sequences: int) -> str:
    """``LLMEngine.add_request``, where the output is there already."""
    turns_of(engine).answer(caller, request, sequences)
    return request


def step(engine: Any, caller: Caller) -> list[Any]:
    """``LLMEngine.step``: what has come for the caller."""
    return list(turns_of(engine).step(caller))


def _forget() -> None:
    """In a forked child: nobody there will end the turns of its parent's threads."""
    _turns.clear()
    _asking.engine = _asking.caller = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
