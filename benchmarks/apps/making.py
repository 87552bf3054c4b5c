"""How a module has an object that is made from the environment when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.apps.settings import Settings


def baselines(module: str) -> Callable[[Settings], Any]:
    """How the settings make a module's arms for ``ayo-bridge bench --arms``."""

    def make(settings: Settings) -> Any:
        from benchmarks.apps.arms import arms_of

        return arms_of(module, settings)

    return make


def when_asked(module: str, **makers: Callable[[Settings], Any]) -> Callable[[str], Any]:
    """A module's ``__getattr__``: names and how the settings make what they stand for, once."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in makers:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if name not in made:
            made[name] = makers[name](Settings.from_environment())
        return made[name]

    return get
