"""Branches: asyncio, thread pools and threads tell what a followed call makes in them.

They are wrapped while a call is followed or :func:`hold` asks for it, and pass everything through
that is made in no followed call.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, CoroutineType, FrameType
from typing import Any, Final, NamedTuple

import wrapt

from ayo_bridge.bindings.wrapped import WrappedFunction
from ayo_bridge.learn.tracing.places import (
    Asked,
    CallPlace,
    Group,
    Making,
    asked,
    current_place,
    opened,
    running,
    tasks,
    within,
)
from ayo_bridge.learn.tracing.sites import end_at, is_plumbing
from ayo_bridge.seam import Scope, current_scope, entered

# What makes tasks, jobs and threads.


def _create_task(
    wrapped: Callable[..., Any], loop: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    parent = current_place()
    if parent is None:
        return wrapped(*args, **kwargs)
    before = running.making
    coroutine = args[0] if args else kwargs.get("coro")
    if before is not None and before.coroutine is coroutine:  # A loop whose base is wrapped too.
        return wrapped(*args, **kwargs)
    place = parent.child(coroutine)
    maker = asyncio.current_task(loop) if asyncio._get_running_loop() is loop else None
    running.making = Making(maker, coroutine, place)
    try:
        # Not by a context of our own: task factories need not take one.
        with within(place):
            task = wrapped(*args, **kwargs)
    finally:
        running.making = before
    tasks[task] = place
    return task


def _eager_task(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """An eager task that is made past the loop."""
    loop, *rest = args

    def made(*given: Any, **named: Any) -> Any:
        return wrapped(loop, *given, **named)

    return _create_task(made, loop, tuple(rest), kwargs)


class _InOrder:
    """An iterable of awaitables that notes their order when it is gone through."""

    __slots__ = ("_awaitables",)

    def __init__(self, awaitables: Iterable[Any]) -> None:
        self._awaitables = awaitables

    def __iter__(self) -> Iterator[Any]:
        group = Group()
        for index, awaitable in enumerate(self._awaitables):
            if isinstance(awaitable, CoroutineType):
                group.size = index + 1
                asked[awaitable] = Asked(group, index)
            yield awaitable


def _as_completed(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    # What it refuses, it is to refuse itself.
    if current_place() is None or not args or asyncio.isfuture(args[0]):
        return wrapped(*args, **kwargs)
    if asyncio.iscoroutine(args[0]) or not isinstance(args[0], Iterable):
        return wrapped(*args, **kwargs)
    return wrapped(_InOrder(args[0]), *args[1:], **kwargs)


class _Job:
    """A pool job at its place. It takes the scope along, which pools' threads do not inherit."""

    __slots__ = ("_function", "_place", "_scope")

    def __init__(self, function: Callable[..., Any], place: CallPlace) -> None:
        self._function = function
        self._place = place
        self._scope: Scope | None = current_scope()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        before, running.job = running.job, self._place
        try:
            with entered(self._scope):
                return self._function(*args, **kwargs)
        finally:
            running.job = before


def _submit(
    wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    place = current_place() if args and not isinstance(args[0], _Job) else None
    if place is None:
        return wrapped(*args, **kwargs)
    part = next((part for name in _namings if (part := name(args))), "")
    return wrapped(_Job(args[0], place.child(part=part)), *args[1:], **kwargs)


_namings: Final[list[Callable[[Sequence[Any]], str]]] = []


def name_jobs(naming: Callable[[Sequence[Any]], str]) -> None:
    """Have ``naming`` say of what is submitted to pools which part of the program it runs.

    It is given the function and its arguments; an empty text says that it is none that it knows.
    """
    _namings.append(naming)


class _Run:
    """What a thread runs, at its place and with the scope of who started it."""

    __slots__ = ("_had", "_place", "_scope", "_thread", "run")

    def __init__(self, thread: threading.Thread, place: CallPlace) -> None:
        self._thread = thread
        self._had = vars(thread).get("run")
        self._place = place
        self._scope: Scope | None = current_scope()
        self.run = thread.run
        thread.run = self  # type: ignore[method-assign]

    def restore(self) -> None:
        """Give the thread its own method back: what is left is in no cycle with it."""
        if self._had is not None:
            vars(self._thread)["run"] = self._had
        else:
            vars(self._thread).pop("run", None)

    def __call__(self) -> None:
        self.restore()
        with within(self._place), entered(self._scope):
            self.run()


def _start(
    wrapped: Callable[..., Any],
    thread: threading.Thread,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    place = None if isinstance(thread.run, _Run) else current_place()
    if place is None or _starts_for_others():
        return wrapped(*args, **kwargs)
    run = _Run(thread, place.child())
    try:
        return wrapped(*args, **kwargs)
    except BaseException:
        run.restore()
        raise


def _starts_for_others() -> bool:
    """Whether a library starts the thread: that one goes on to work for others' calls."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("wrapt"):
        frame = frame.f_back
    return frame is not None and is_plumbing(frame.f_globals.get("__name__") or "")


end_at(_Job.__call__.__code__)
end_at(_Run.__call__.__code__)

# Interception.


class _Target(NamedTuple):
    module: str
    attribute: str
    wrapper: Callable[..., Any]
    optional: bool = False
    """Wrapped only where the application has imported the module."""


_TARGETS: Final = (
    _Target("asyncio.base_events", "BaseEventLoop.create_task", _create_task),
    _Target("uvloop", "Loop.create_task", _create_task, optional=True),
    *(
        (_Target("asyncio", "eager_task_factory", _eager_task),)
        if sys.version_info >= (3, 12)
        else ()
    ),
    _Target("asyncio", "as_completed", _as_completed),
    _Target("asyncio.tasks", "as_completed", _as_completed),
    _Target("concurrent.futures.thread", "ThreadPoolExecutor.submit", _submit),
    _Target("threading", "Thread.start", _start),
)

_lock = threading.RLock()  # Re-entrant: the garbage collector may close a call wherever it runs.
_held = 0
_on: dict[_Target, Callable[[], None]] = {}
"""What takes the wrappers off again."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire,
        after_in_parent=_lock.release,
        after_in_child=_lock._at_fork_reinit,  # type: ignore[attr-defined]
    )


def follow(entry: FrameType | CodeType | None) -> CallPlace:
    """Begin to follow a call, inside of those that are followed already, until it is closed.

    ``entry`` is the frame of the entry (kept until then), or its code.
    """
    hold()
    return opened(entry, release)


def hold() -> None:
    """Wrap what makes tasks, jobs and threads, until :func:`release` was called as often."""
    global _held
    with _lock:
        _held += 1
        for target in _TARGETS:
            if target not in _on:
                _put_on(target)


def release() -> None:
    """Undo one :func:`hold`; the last one takes the wrappers off."""
    global _held
    with _lock:
        _held -= 1
        if _held == 0:
            for restore in _on.values():
                restore()
            _on.clear()


def _put_on(target: _Target) -> None:
    module = sys.modules.get(target.module)
    if module is None:
        if target.optional:
            return
        module = importlib.import_module(target.module)
    parent, name, _ = wrapt.resolve_path(module, target.attribute)
    inherited = isinstance(parent, type) and name not in vars(parent)
    own = getattr(parent, name) if inherited else vars(parent)[name]
    proxy = WrappedFunction(own, target.wrapper)
    setattr(parent, name, proxy)

    def restore() -> None:
        if vars(parent).get(name) is not proxy:
            return  # Somebody has wrapped it again since; ours passes through.
        if inherited:
            delattr(parent, name)
        else:
            setattr(parent, name, own)

    _on[target] = restore
