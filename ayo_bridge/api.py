"""The four functions that users call."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path
from types import MethodType
from typing import Any, Final, TypeVar

from ayo_bridge.adapter import adapters
from ayo_bridge.autorun.attached import known_state
from ayo_bridge.autorun.settings import switched_off
from ayo_bridge.bindings.monkey import patched
from ayo_bridge.errors import NotAccelerableError, NotAcceleratedWarning
from ayo_bridge.graph import Template
from ayo_bridge.lift.functions import called_of, function_state
from ayo_bridge.lift.own_code import is_own
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.observe import Explanation, Stats, explain_state, stats_state, timeline_state
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runtime import Runtime, default_runtime

T = TypeVar("T")
_SWITCHED_OFF: Final = "nothing is accelerated: AYO_BRIDGE=0 is set"


def accelerate(obj: T, *, runtime: Runtime | None = None) -> T:
    """Return an object of the same type that gives the same answers faster.

    ``obj`` itself is untouched. A function may be decorated with it: its first calls are learned
    from, later ones run ahead. So it is with an object of your own class that is called like a
    function; what is returned for it has the attributes of ``obj``, for both. ``runtime`` chooses
    engines, policies and passes; without it a process-wide one with good defaults serves.

    Raises:
        NotAccelerableError: no installed adapter knows this kind of object, or there can be no
            other object like it; the message says what to pass instead.

    Where the environment variable ``AYO_BRIDGE`` is ``0`` it returns ``obj`` itself.

    Warns:
        NotAcceleratedWarning: ``obj`` was returned as it is, and why: it is accelerated already,
            its library is outside the tested range, or gevent has patched the threads.
    """
    if switched_off():
        return obj
    if (state_of(obj) or function_state(obj)) is not None:
        warnings.warn(
            f"this {type(obj).__name__} is accelerated already; it is returned as it is",
            NotAcceleratedWarning,
            stacklevel=2,
        )
        return obj
    fast: T = _accelerated(obj, runtime, quiet=False)
    return fast


def again(obj: T, runtime: Runtime | None = None) -> T:
    """Accelerate a copy of what was accelerated, or what was unpickled (without ``runtime``)."""
    fast: T = _accelerated(obj, runtime, quiet=True)
    return fast


def _accelerated(obj: Any, runtime: Runtime | None, *, quiet: bool) -> Any:
    if switched_off():  # Unpickled, in a process where nothing is to be done.
        return obj
    for adapter in adapters():
        if adapter.accepts(obj):
            reason = patched()
            if reason is not None:
                warnings.warn(
                    f"this {type(obj).__name__} is returned as it is: {reason}, and acceleration "
                    "needs real threads. Run it in a worker of threads (gunicorn: gthread) or of "
                    "asyncio (uvicorn)",
                    NotAcceleratedWarning,
                    stacklevel=3,
                )
                return obj
            return adapter.accelerate(obj, runtime or default_runtime(), again, quiet=quiet)
    raise NotAccelerableError(_refusal(obj))


def _refusal(obj: Any) -> str:
    if isinstance(obj, type):
        above = ", or put @accelerate above the method that your application calls"
        return (
            f"cannot accelerate the class {obj.__module__}.{obj.__qualname__} itself. Pass an "
            f"object of it, as in accelerate({obj.__name__}(...)){above * is_own(obj.__module__)}"
        )
    if isinstance(obj, staticmethod | classmethod | property):
        kind = type(obj).__name__
        return f"cannot accelerate a {kind}. Put @accelerate below @{kind}, above the function"
    known = ", ".join(adapter.name for adapter in adapters()) or "none is installed"
    call = called_of(obj)
    of_library = call is not obj and isinstance(call, MethodType)
    method = ". Of a library's object pass the method: accelerate(obj.__call__)" * of_library
    return (
        f"cannot accelerate a {type(obj).__module__}.{type(obj).__qualname__}. Pass what your "
        "application calls: a query engine, chat engine, retriever, pipeline, agent, workflow or "
        "tool of LlamaIndex, a runnable of LangChain, a function written in Python, or an object "
        f"of a class of yours with __call__ (adapters: {known}){method}"
    )


def _state(obj: object) -> AcceleratedState:
    state = state_of(obj) or function_state(obj) or known_state(obj)
    if state is None and switched_off():
        template = Template((), inputs=(), name=type(obj).__name__, notes=(_SWITCHED_OFF,))
        return AcceleratedState("no adapter", template.name, default_runtime(), template, again)
    if state is None:
        raise NotAccelerableError(
            f"this {type(obj).__name__} is not accelerated: pass what accelerate() returned"
        )
    return state


def explain(obj: object) -> Explanation:
    """What was lifted, rewritten and refused for an accelerated object, and what it gained.

    Raises:
        NotAccelerableError: ``obj`` did not come from :func:`accelerate`.
    """
    return explain_state(_state(obj))


def stats(obj: object) -> Stats:
    """Counters over all calls of an accelerated object.

    Raises:
        NotAccelerableError: ``obj`` did not come from :func:`accelerate`.
    """
    return stats_state(_state(obj))


def timeline(obj: object, path: str | PathLike[str]) -> Path:
    """Write the last calls: ``.json`` in Chrome-trace form, ``.html`` as a page of its own.

    Raises:
        NotAccelerableError: ``obj`` did not come from :func:`accelerate`.
        ValueError: the suffix is neither ``.json`` nor ``.html``.
    """
    return timeline_state(_state(obj), Path(path))
