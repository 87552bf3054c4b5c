"""Where two pieces of plain data differ, and where two logs of a call do."""

from __future__ import annotations

import marshal
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.differential.plain import Names, Plain, renamed
from tests.differential.record import Log, Seen

_NO_REFERENCES = 2
"""The last version of the format in which equal values are written equally, shared or not."""


def difference(one: Plain, two: Plain, tolerance: float = 0.0, path: str = "") -> str | None:
    """The first difference, with the way to it; ``None`` if there is none.

    The order of the keys of a mapping counts: metadata is turned into prompts in that order.
    """
    # Most is alike, to the bytes it is written as, types and the order of keys included.
    with suppress(ValueError):  # What a library has put in the place of a number is not written.
        if marshal.dumps(one, _NO_REFERENCES) == marshal.dumps(two, _NO_REFERENCES):
            return None
    return _difference(one, two, tolerance, path)


def _difference(one: Plain, two: Plain, tolerance: float, path: str) -> str | None:
    if isinstance(one, float) and isinstance(two, float):
        near = one == two or (math.isnan(one) and math.isnan(two))
        near = near or abs(one - two) <= tolerance
        return None if near else f"{path}: {one!r} became {two!r}"
    if type(one) is not type(two):
        return f"{path}: {_short(one)} became {_short(two)}"
    if isinstance(one, dict):
        # Parts of a stream that run side by side are added as they end.
        chance = path.endswith("AddableDict") and set(one) == set(two)
        if list(one) != list(two) and not chance:
            return f"{path}: keys {list(one)} became {list(two)}"
        return _first(
            _difference(value, two[key], tolerance, f"{path}.{key}") for key, value in one.items()
        )
    if isinstance(one, list):
        found = _first(
            _difference(a, b, tolerance, f"{path}[{index}]")
            for index, (a, b) in enumerate(zip(one, two, strict=False))
        )
        if found is None and len(one) != len(two):
            longer = one if len(one) > len(two) else two
            extra = _short(longer[min(len(one), len(two))])
            return f"{path}: {len(one)} items became {len(two)}; the first extra one is {extra}"
        return found
    return None if one == two else f"{path}: {_short(one)} became {_short(two)}"


def _first(found: object) -> str | None:
    return next((item for item in found if item is not None), None)  # type: ignore[attr-defined]


def _short(value: Plain) -> str:
    text = repr(value)
    return text if len(text) < 400 else f"{text[:300]} ... {text[-80:]}"


# Logs.


def never(name: str) -> bool:
    """No span starts threads of which nobody knows which is first."""
    return False


def log_difference(
    original: Log,
    again: Log,
    accelerated: Log,
    tolerance: float,
    in_threads: Callable[[str], bool] = never,
) -> str | None:
    """How the events of the accelerated call differ from the original's.

    Two logs of the original say what order it keeps itself. Where nothing overlapped in either,
    the whole sequence has to be the same, ids included. Spans that overlapped (a fan-out with
    ``gather`` or threads) may come in any order among themselves; everything else keeps its place.
    ``in_threads`` says of which spans (``"root"`` is what all are in) the content may come in any
    order even where it happened not to overlap.
    """
    varies = original.concurrent or again.concurrent or _has_threads(original, in_threads)
    if not varies:
        return difference(_named(original), _named(accelerated), tolerance, "log")
    fast = _tree(accelerated, in_threads)
    found = _tree_difference(_tree(original, in_threads), fast, tolerance)
    if found is None or _tree_difference(_tree(again, in_threads), fast, tolerance) is None:
        return None
    return found


def _has_threads(log: Log, in_threads: Callable[[str], bool]) -> bool:
    entered = [entry for entry in log.entries if entry.kind == "enter"]
    roots = sum(entry.parent is None for entry in entered)
    return any(in_threads(e.name) for e in entered) or (roots > 1 and in_threads("root"))


def _named(log: Log) -> Plain:
    names = Names()
    return [renamed(entry.shown(), names) for entry in log.entries]


@dataclass
class _Span:
    """A span with what happened in it, in order."""

    start: int
    head: Plain
    end: int = 1 << 60
    tail: Plain = None
    items: list[_Span] = field(default_factory=list)
    unordered: bool = False


def _tree(log: Log, in_threads: Callable[[str], bool]) -> _Span:
    """The log by spans. Ids lose their numbers: the tree says what belongs to what."""
    root = _Span(-1, "root", unordered=in_threads("root"))
    spans: dict[str | None, _Span] = {None: root}
    paths: dict[str, str] = {}
    for index, entry in enumerate(log.entries):
        shown = renamed(_with_paths(entry, paths), Names(numbered=False))
        if entry.kind == "enter":
            span = spans[entry.span] = _Span(index, shown, unordered=in_threads(entry.name))
            spans.get(entry.parent, root).items.append(span)
        elif entry.kind in ("exit", "drop"):
            ended = spans.get(entry.span)
            if ended is None:
                root.items.append(_Span(index, shown, index))
            else:
                ended.end, ended.tail = index, shown
        else:
            spans.get(entry.span, root).items.append(_Span(index, shown, index))
    return root


def _with_paths(entry: Seen, paths: dict[str, str]) -> Plain:
    """Legacy events refer to each other by id; in a tree by the way from the top."""
    if entry.callback is None:
        return entry.shown()
    if entry.kind == "callback start":
        paths[entry.callback] = f"{paths.get(entry.parent or '', entry.parent)}/{entry.name}"
    return {**entry.shown(), "callback": paths.get(entry.callback, "?"), "parent": ""}


def _tree_difference(one: _Span, two: _Span, tolerance: float, path: str = "log") -> str | None:
    found = difference(one.head, two.head, tolerance, path)
    found = found or difference(one.tail, two.tail, tolerance, f"{path} end")
    if found is not None:
        return found
    if len(one.items) != len(two.items):
        ones, twos = ([_short(i.head) for i in s.items] for s in (one, two))
        return f"{path}: {len(ones)} items became {len(twos)}: {ones} became {twos}"
    start = 0
    for group in [one.items] if one.unordered else _overlapping(one.items):
        found = _unordered(group, two.items[start : start + len(group)], tolerance, path, start)
        if found is not None:
            return found
        start += len(group)
    return None


def _overlapping(items: Sequence[_Span]) -> list[list[_Span]]:
    """Neighbours that ran at the same time, together; everything else alone."""
    groups: list[list[_Span]] = []
    end = -1
    for item in items:
        if groups and item.start < end:
            groups[-1].append(item)
        else:
            groups.append([item])
        end = max(end, item.end)
    return groups


def _unordered(
    ones: Sequence[_Span], twos: Sequence[_Span], tolerance: float, path: str, start: int
) -> str | None:
    left = list(twos)
    for number, one in enumerate(ones):
        here = f"{path}[{start + number}]"
        found = [_tree_difference(one, two, tolerance, here) for two in left]
        if None not in found:
            return found[0] if len(found) == 1 else f"{here} has no counterpart: {found}"
        left.pop(found.index(None))
    return None


__all__ = ["difference", "log_difference", "never"]
