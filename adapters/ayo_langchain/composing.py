"""Composition keeps acceleration: LCEL takes sequences apart, and would leave it behind.

``accelerated | x``, ``x | accelerated``, ``.pipe()`` and ``RunnableSequence(accelerated, x)`` make
a new sequence of the steps; that one is accelerated in place, by the same runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.runahead import AcceleratedState
from ayo_langchain.known import CORE

_OPERATORS: Final = ("__or__", "__ror__", "pipe")


def composed(base: type) -> Mapping[str, Callable[..., Any]]:
    """The methods of an accelerated runnable that compose it."""
    from langchain_core.runnables import RunnableSequence

    methods: dict[str, Callable[..., Any]] = {}
    if issubclass(base, RunnableSequence):
        methods.update({name: _keeping(base, name) for name in _OPERATORS})
    return methods


def _keeping(base: type, name: str) -> Callable[..., Any]:
    original = getattr(base, name)

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = getattr(base, name)(self, *args, **kwargs)
        state = state_of(self)
        if state is not None:
            _accelerate(made, state)
        return made

    return method


def _sequence_made(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``RunnableSequence(*steps)``: it takes apart those that are sequences themselves."""
    made = wrapped(*args, **kwargs)
    states = [state for step in args if (state := state_of(step)) and _is_taken_apart(step)]
    if states:
        _accelerate(instance, states[0])
    return made


def _is_taken_apart(step: Any) -> bool:
    from langchain_core.runnables import RunnableSequence

    return isinstance(step, RunnableSequence)


def _accelerate(made: Any, state: AcceleratedState) -> None:
    from langchain_core.runnables import RunnableSequence

    from ayo_langchain import adapter

    if type(made) is RunnableSequence:
        adapter.convert(made, state.runtime, state.again)


COMPOSING: Final = Binding(
    "LangChain's sequences",
    "langchain-core",
    CORE,
    (Target("langchain_core.runnables.base", "RunnableSequence.__init__", _sequence_made),),
)
