"""Pure functions of short strings, remembered: a bounded memo that many threads share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_LONGEST: Final = 64
"""Longer texts hardly come again, and would be kept for nothing."""
_MOST: Final = 20_000
"""Texts in a generation; two generations are kept."""


class Remembered:
    """A tokenizer that remembers the tokens of short texts. Each call returns a list of its own.

    Takes no lock: single operations on dicts are atomic, and a race costs a second look at most.
    What was not asked for during a whole generation is forgotten.

    Args:
        function: pure, of a string; what it returns must depend on nothing else.
        most: texts in each of the two generations.
    """

    __slots__ = ("_function", "_most", "_old", "_young")

    def __init__(self, function: Callable[[str], list[int]], most: int = _MOST) -> None:
        self._function = function
        self._most = most
        self._young: dict[str, tuple[int, ...]] = {}
        self._old: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: str) -> list[int]:
        """What the function returns for ``text``."""
        if type(text) is not str or len(text) > _LONGEST:
            return self._function(text)
        known = self._young.get(text)
        if known is None:
            known = self._old.get(text)
            if known is None:
                known = tuple(self._function(text))
            if len(self._young) >= self._most:
                self._old, self._young = self._young, {}
            self._young[text] = known
        return list(known)


__all__ = ["Remembered"]
