"""Places: which task, pool job or thread of a followed call the running code belongs to.

Each has the site at which it was made and its number among those that its parent made there, in the
order in which they were made. Who runs is known by the task and the thread. The context alone would
not do: frameworks run pool jobs in contexts that they copied before, and may hand one context to
several tasks.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType, CoroutineType, FrameType
from typing import Any, NamedTuple

from ayo_bridge.learn.tracing.sites import Site, part_of, site_here


class _Call:
    """What the places of one call share."""

    __slots__ = ("__weakref__", "closed", "entry", "lock", "on_close")

    def __init__(self, entry: FrameType | CodeType | None) -> None:
        self.entry = entry
        self.closed = False
        self.on_close: Callable[[], object] | None = None
        # Re-entrant: the garbage collector may close a call wherever it runs.
        self.lock = threading.RLock()


class Group:
    """The coroutines given to one ``as_completed``."""

    __slots__ = ("first", "size")

    def __init__(self) -> None:
        self.size = 0
        self.first: dict[CallPlace, int] = {}
        """The number of the first, by their parent."""


class Asked(NamedTuple):
    """A coroutine of a group, and which."""

    group: Group
    at: int


asked: weakref.WeakKeyDictionary[Any, Asked] = weakref.WeakKeyDictionary()
"""Coroutines whose tasks are made in the order of a set; they are numbered as they were given."""
parts: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""Coroutines that run a part of the program which is known by its name."""


class CallPlace:
    """Where in one call code runs: by the entry itself, or by a task, job or thread made in it.

    ``branch`` has the number of each task, job or thread from the entry down to this one. ``outer``
    is the same place as the call sees it in which this call was made. Thread-safe.
    """

    __slots__ = ("_call", "_coroutine", "_made", "_made_for", "_maker", "_unit", "branch", "outer")

    def __init__(
        self,
        call: _Call,
        outer: CallPlace | None,
        unit: object,
        maker: Site | None = None,
        branch: tuple[int, ...] = (),
        coroutine: object = None,
    ) -> None:
        self._call = call
        self._maker = maker
        self._unit = unit
        """Stands for the task, job or thread that runs here, in all calls around."""
        native = isinstance(coroutine, CoroutineType)
        self._coroutine = weakref.ref(coroutine) if native else None
        self._made: dict[str, int] = {}
        """How many children were made, by the id of the site and the part that they are to run."""
        self._made_for = ""
        """The part that it was made to run."""
        self.branch = branch
        self.outer = outer

    def site(self, made: FrameType | None = None) -> Site:
        """The site of the calling code, which runs here and perhaps makes a task of ``made``."""
        end: FrameType | CodeType | None = None
        if self._coroutine is not None:
            # Where a loop takes a task's first step at once, its maker is still on the stack.
            coroutine = self._coroutine()
            end = coroutine.cr_frame if isinstance(coroutine, CoroutineType) else None
        elif self._maker is None:
            end = self._call.entry
        return site_here(end, self._maker, made)

    def here(self) -> CallPlace:
        """The place of this call where the calling code runs; this one if that is not known."""
        place = _innermost()
        while place is not None and place._call is not self._call:
            place = place.outer
        return self if place is None else place

    def close(self) -> None:
        """End the call: nothing made from now on belongs to it. Idempotent."""
        self._call.closed = True
        self._call.entry = None
        if self._call.on_close is not None:
            self._call.on_close()

    def child(self, coroutine: object = None, part: str = "") -> CallPlace:
        """The place of a task, job or thread that the calling code makes here.

        Those that run one ``part`` of the program are numbered among themselves.
        """
        native = isinstance(coroutine, CoroutineType)
        order = asked.get(coroutine) if asked and native else None
        if parts and native:
            part = parts.get(coroutine, part)
        return self._child(object(), coroutine, order, part)

    def part(self, name: str, *, one_of_several: bool = False) -> CallPlace:
        """The same place, while an engine that runs a program's parts by name runs this one.

        The stack of what it calls begins with the part, however the engine has come to it. Where it
        is one of several that an engine runs without a job of its own, it has a number all the
        same.
        """
        outer, branch = _open(self.outer), self.branch
        site = self.site()
        if one_of_several and self._made_for != name:
            branch = (*branch, self._number(site.id + name, None))
        place = CallPlace(
            self._call,
            outer.part(name, one_of_several=one_of_several) if outer is not None else None,
            self._unit,
            part_of(site, name),
            branch,
        )
        place._made = self._made
        return place

    def _child(self, unit: object, coroutine: object, order: Asked | None, part: str) -> CallPlace:
        site = self.site(coroutine.cr_frame if isinstance(coroutine, CoroutineType) else None)
        outer = _open(self.outer)
        child = CallPlace(
            self._call,
            outer._child(unit, coroutine, order, part) if outer is not None else None,
            unit,
            site,
            (*self.branch, self._number(site.id + part, order)),
            coroutine,
        )
        child._made_for = part
        return child

    def _number(self, site: str, order: Asked | None) -> int:
        with self._call.lock:
            made = self._made.get(site, 0)
            if order is None:
                self._made[site] = made + 1
                return made
            first = order.group.first.setdefault(self, made)
            self._made[site] = max(made, first + order.group.size)
            return first + order.at


def opened(entry: FrameType | CodeType | None, on_close: Callable[[], object]) -> CallPlace:
    """The place of a new call's entry, inside of the calls that are followed already.

    ``on_close`` is called once: when the call is closed, or else when nothing holds it any more.
    """
    call = _Call(entry)
    call.on_close = finalizer = weakref.finalize(call, on_close)
    finalizer.atexit = False
    unit = _unit()
    return CallPlace(call, current_place(), unit._unit if unit is not None else None)


_place: ContextVar[CallPlace | None] = ContextVar("ayo_bridge_call_place", default=None)
if hasattr(os, "register_at_fork"):  # A child runs none of its parent's calls.
    os.register_at_fork(after_in_child=lambda: _place.set(None))


class within:
    """Run a block at a place. Never held across a ``yield`` to foreign code."""

    __slots__ = ("_place", "_token")

    def __init__(self, place: CallPlace | None) -> None:
        self._place = place

    def __enter__(self) -> None:
        self._token = _place.set(self._place)

    def __exit__(self, *_: object) -> None:
        _place.reset(self._token)


def current_place() -> CallPlace | None:
    """The place of the innermost open call where the calling code runs, if one is followed."""
    return _open(_innermost())


def _open(place: CallPlace | None) -> CallPlace | None:
    while place is not None and place._call.closed:
        place = place.outer
    return place


# Who runs.


class Making(NamedTuple):
    """A task that is just being made, and who makes it."""

    maker: asyncio.Task[Any] | None
    coroutine: object
    place: CallPlace


class _Running(threading.local):
    job: CallPlace | None = None
    making: Making | None = None


running = _Running()
tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], CallPlace] = weakref.WeakKeyDictionary()


def _innermost() -> CallPlace | None:
    place, unit = _place.get(), _unit()
    # The context is right as long as it belongs to who runs: it knows of entries inside of that.
    return place if unit is None or (place and place._unit is unit._unit) else unit


def _unit() -> CallPlace | None:
    """The place of the task or pool job that runs the calling code, if it was made in a call."""
    loop = asyncio._get_running_loop()
    if loop is None:
        return running.job
    task = asyncio.current_task(loop)
    if task is None:  # A callback of the loop: its context was copied where it was made.
        return None
    place = tasks.get(task)
    if place is not None:
        return place
    making = running.making  # Eager: it runs before its maker has it.
    return making.place if making is not None and making.maker is not task else running.job
