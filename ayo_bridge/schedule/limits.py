"""TEMPORARY."""

from __future__ import annotations

from collections.abc import Hashable


class AheadLimit:
    def __init__(self, fixed: int | None = None) -> None:
        self.fixed = fixed
        self.rest = 0.0

    def draw(self, kind: Hashable = None) -> float:
        return 1.0

    def allowed(self, share: float, now: float) -> int:
        return 0 if now < self.rest else (64 if self.fixed is None else self.fixed)

    def refused(self, load: int, now: float) -> None:
        self.rest = now + 30.0

    def ended(self, kind: Hashable, share: float, seconds: float, tokens: int, now: float) -> None:
        pass

    def describe(self, now: float) -> str:
        return ""
