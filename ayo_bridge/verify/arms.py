"""One call of an object, seen whole: what it asked, what it was answered, what it said."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.graph import Graph, Template
from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.functions import called_of
from ayo_bridge.lift.shows import Given, Shows
from ayo_bridge.lift.twice import Run
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.again import Answer
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.kept import Kept
from ayo_bridge.runahead.plan import Plan
from ayo_bridge.runahead.verified import VerifiedScope
from ayo_bridge.seam import entered


@dataclass(frozen=True, slots=True)
class Arm:
    """One call. ``error`` is what it has raised; then it has no answer."""

    kept: Kept
    answer: Answer | None
    record: CallRecord
    """Its engine calls; those of accelerated objects stand below theirs."""
    error: str = ""

    @property
    def asked(self) -> Counter[Hashable]:
        """Its requests, each as often as it was made."""
        asked: Counter[Hashable] = Counter()
        for key, values in self.kept.answers.items():
            asked[_anywhere(key)] += len(values)
        return asked


def _anywhere(key: Hashable) -> Hashable:
    """A request without what is drawn for each run: of a store that a call makes for itself its
    number and its age, and ids of what is in it. What is found there shows in what is asked next.
    """
    match key:
        case (str(engine), "add", tuple(ids)):
            return _unnumbered(engine), "add", len(ids)
        case (str(engine), "search" | "awaited" as kind, _, tuple(parts), *rest):
            counted = (len(each) if isinstance(each, tuple) else each for each in parts)
            return _unnumbered(engine), kind, tuple(counted), *rest
    return key


def _unnumbered(engine: str) -> str:
    name, _, number = engine.rpartition("#")
    return name if number.isdecimal() else engine


def kind_called(function: Callable[..., Any]) -> Kind:
    """What calling a function, or an object, gives."""
    function = called_of(function)
    if inspect.iscoroutinefunction(function):
        return Kind.AWAIT
    if inspect.isgeneratorfunction(function):
        return Kind.STREAM
    return Kind.ASTREAM if inspect.isasyncgenfunction(function) else Kind.CALL


class Arms:
    """Makes calls; those that are awaited all on one loop, as the clients of an application are.

    ``loop`` is that loop, if there is one already.
    """

    def __init__(self, shows: Shows, runtime: Home, loop: asyncio.Runner | None = None) -> None:
        self._shows = shows
        self._runtime = runtime
        self._own = loop is None
        self._loop = loop or asyncio.Runner()

    def close(self) -> None:
        """Close the loop, unless it was given."""
        if self._own:
            self._loop.close()

    def _waits(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(coroutine, context=copy_context())

    def __call__(self, call: Callable[..., Any], kind: Kind, given: Given) -> Arm:
        """Make a call and keep what passes at the boundaries of engines."""
        run = Run(self._shows, call, kind, given, hushed=False, waits=self._waits)
        return _arm(run, self._runtime)


def _arm(run: Run, runtime: Home) -> Arm:
    plan = Plan(Template(()), Graph(()), Graph(()))
    record = CallRecord("verify", runtime.clock(), plan.template, plan.p_graph, plan.e_graph)
    scope = VerifiedScope(runtime, plan, record)
    scope.follow()
    try:
        with entered(scope):
            answer = run()
    except (Exception, SystemExit) as error:
        return Arm(scope.kept, None, record, f"{type(error).__name__}: {error}")
    finally:
        scope.close()
    return Arm(scope.kept, answer, record)


def said_by(value: object, shows: Shows) -> object:
    """What an engine answered, as plain data."""
    if isinstance(value, Reply):
        try:
            return value.text()
        except (UnreadableReplyError, ValueError):
            return bytes(value.body.so_far())
    if hasattr(value, "tolist"):
        return value.tolist()
    return shows.item(value)


__all__ = ["Arm", "Arms", "kind_called", "said_by"]
