"""An app's modules, started somewhere and called as the app is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

from benchmarks.apps.arms.clients import Engines, asking
from benchmarks.apps.arms.engines import SERVED, Door, Engine
from benchmarks.apps.arms.places import Handle, Place, Ref
from benchmarks.apps.arms.steps import Groups, Step, steps
from benchmarks.apps.modules import LLM, Chain
from benchmarks.apps.settings import Settings

Started = Mapping[str, Handle]

_queries = itertools.count()
_best: Final[dict[tuple[str, Settings], int]] = {}
"""b* of engines that were measured: once for all arms."""


def chain_of(app: str, settings: Settings, engines: Engines | None = None) -> Chain:
    """The modules of the app in a module of this name; over no engines, to look at."""
    made: Chain = import_module(app).chain(settings, engines or Engines({}))
    return made


class Modules:
    """What one actor holds: a module, or those of an agent."""

    def __init__(self, app: str, settings: Settings, step: Step, started: Started) -> None:
        self._engines = Engines(started)
        chain = chain_of(app, settings, self._engines)
        self._modules = [chain[name] for name in step.modules]
        self._gives = step.gives

    def run(self, query: int, given: Mapping[str, Any], *before: Any) -> tuple[dict[str, Any], int]:
        """Run them in their order.

        ``before`` are values by name that other steps have given, and marks of those that only
        had to end; returns the values that others need, and a mark.
        """
        known = dict(given)
        for each in before:
            if isinstance(each, dict):
                known |= each
        for module in self._modules:
            with asking((query, module.name)):
                known[module.name] = module(known)
        return {name: known[name] for name in self._gives}, query

    def close(self) -> None:
        """It is not run any more."""
        self._engines.close()


class Program:
    """An app as its modules.

    Args:
        app: the name of the Python module that describes it (``chain``).
        groups, beside: as :func:`~benchmarks.apps.arms.steps.steps` has them.
        policy: of the engines' queues.
        place: is closed with it.
    """

    def __init__(
        self,
        app: str,
        settings: Settings,
        place: Place,
        *,
        policy: str,
        groups: Callable[[Chain], Groups],
        beside: bool,
    ) -> None:
        chain = chain_of(app, settings)
        self._inputs = chain.inputs
        self._answer = chain.modules[-1].name
        self._steps = steps(chain, groups(chain), beside=beside)
        self._place = place
        asked = {engine for module in chain.modules for engine in module.engines}
        started: dict[str, Handle] = {}
        try:
            for name in sorted(asked & SERVED.keys()):
                key = (name, replace(settings, base_url=""))
                started[name] = place.start(Engine, name, settings, policy, _best.get(key))
                _best[key] = started[name].call("best").get()
            if LLM in asked:
                started[LLM] = place.start(Door, LLM, settings, policy)
            self._actors = [
                place.start(Modules, app, settings, step, started) for step in self._steps
            ]
            for each in (*started.values(), *self._actors):
                each.ready().get()
        except BaseException:
            place.close()
            raise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The answer to a query: every step is asked at once, and begins when it can."""
        given = dict(zip(self._inputs, args, strict=False)) | kwargs
        query = next(_queries)
        values: list[Ref] = []
        marks: list[Ref] = []
        for step, actor in zip(self._steps, self._actors, strict=True):
            own = {name: given[name] for name in step.inputs}
            needed = [values[number] for number in step.needs]
            ended = [marks[number] for number in step.after]
            value, mark = actor.run(query, own, *needed, *ended)
            values.append(value)
            marks.append(mark)
        for mark in marks:
            mark.get()
        return values[-1].get()[self._answer]

    def close(self) -> None:
        """End all of it."""
        self._place.close()
