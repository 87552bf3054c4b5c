"""Whether two answers are the same, and which parts of an answer are others in each run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ayo_bridge.verify.requests import CLOSE

_BLANKS: Final = re.compile(r"(\s+)")


def alike(left: object, right: object) -> bool:
    """Whether two values are equal, but for the last digits of numbers."""
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= CLOSE
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[k], right[k]) for k in left)
    return left == right


def alike_but_for_drawn(original: object, again: object, fast: object) -> bool:
    """Whether ``fast`` is ``original``, but for words and numbers that ``again`` has otherwise.

    ``again`` is what the original says in another run on the same replies: what differs there is
    drawn anew in each run, such as ids and times.
    """
    if alike(original, fast):
        return True
    if all(isinstance(each, dict) for each in (original, again, fast)):
        return _parts_alike(*(_items(each) for each in (original, again, fast)))
    if all(isinstance(each, list | tuple) for each in (original, again, fast)):
        return _parts_alike(original, again, fast)
    if all(isinstance(each, str) for each in (original, again, fast)):
        words = [_BLANKS.split(str(each)) for each in (original, again, fast)]
        if len(words[0]) > 1:
            return _parts_alike(*words)
    elif any(isinstance(each, dict | list | tuple) for each in (original, again, fast)):
        return False
    return type(original) is type(again) is type(fast) and not alike(original, again)


def _items(mapping: object) -> Sequence[object]:
    """Names and values: a name may be an id that is drawn."""
    assert isinstance(mapping, dict), "its caller has looked"
    return [*mapping.items()]


def _parts_alike(original: object, again: object, fast: object) -> bool:
    sides = (original, again, fast)
    lists = [each for each in sides if isinstance(each, list | tuple)]
    return len({len(each) for each in lists}) == 1 and all(map(alike_but_for_drawn, *lists))


__all__ = ["alike", "alike_but_for_drawn"]
