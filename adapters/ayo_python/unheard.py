"""What is known of functions that are run once more to be verified: what frameworks know of theirs.

A function may call objects of any framework that is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ayo_bridge.adapter import adapters
from ayo_bridge.lift.shows import Shows


class FunctionShows(Shows):
    """Asks the frameworks of the adapters that are installed."""

    framework = "a function"
    silencers = ()

    @property
    def _frameworks(self) -> list[Shows]:
        known = [adapter.shows for adapter in adapters()]
        return [each for each in known if each is not self and _loaded(each)]

    @property
    def packages(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all frameworks."""
        return tuple(name for each in self._frameworks for name in each.packages)

    def verifiable(self) -> str | None:
        """Why functions are not run once more; ``None`` if they are, and nobody hears of it."""
        return next(filter(None, (each.verifiable() for each in self._frameworks)), None)

    def hush(self) -> None:
        """Nobody whom the call around it has told is told."""
        for each in self._frameworks:
            each.hush()

    def acts(self, value: Any) -> str:
        """What calling ``value`` does, as its framework knows."""
        return self._first(lambda shows: shows.acts(value)) or ""

    def listens(self, value: Any) -> bool:
        """Whether its framework knows that it only listens."""
        return any(each.listens(value) for each in self._frameworks)

    def said_of(self, value: Any) -> object:
        """What its framework knows that a value says; of a model of data, its fields."""
        fields = dict(vars(value)) if hasattr(type(value), "model_fields") else None
        return self._first(lambda shows: shows.said_of(value)) or fields

    def _first(self, ask: Callable[[Shows], Any]) -> Any:
        return next(filter(None, map(ask, self._frameworks)), None)


def _loaded(shows: Shows) -> bool:
    return any(binding.loaded for binding in shows.silencers or ())


__all__ = ["FunctionShows"]
