"""How numbers, names and rows are written wherever a person reads them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

_NUMBER = re.compile(r"\d+")
_TERMINAL = 80
"""Columns that every terminal has."""
_WORDS = 28
"""So many of them are enough for a text of several words."""


def duration(seconds: float) -> str:
    """``0.0042`` is ``"4.2 ms"``, ``0.412`` is ``"412 ms"``, ``2.5`` is ``"2.50 s"``."""
    milliseconds = abs(seconds) * 1000
    sign = "-" if seconds < 0 else ""
    if milliseconds >= 999.5:
        return f"{sign}{milliseconds / 1000:.2f} s"
    if milliseconds >= 9.95:
        return f"{sign}{milliseconds:.0f} ms"
    return f"{sign}{milliseconds:.1f} ms"


def about(seconds: float) -> str:
    """A rough duration: ``4.63`` is ``"4.6 s"``, ``0.316`` is ``"320 ms"``."""
    if seconds >= 9.95:
        return f"{seconds:.0f} s"
    if seconds >= 0.995:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    if milliseconds >= 99.5:
        return f"{round(milliseconds, -1):.0f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.1f} ms"


def spread(seconds: Sequence[float]) -> str:
    """Durations in one: ``"103 ms"``, or ``"81 ms to 103 ms"`` if they differ."""
    least, most = duration(min(seconds)), duration(max(seconds))
    return least if least == most else f"{least} to {most}"


def gain(seconds: float | None) -> str:
    """A predicted or measured gain; empty if there is none to tell."""
    return "" if seconds is None else ("+" if seconds > 0 else "") + duration(seconds)


def counted(number: int, thing: str) -> str:
    """``counted(1, "call")`` is ``"1 call"``, ``counted(2, "call")`` is ``"2 calls"``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def let_through(calls: int) -> str:
    """That so many calls were not looked at."""
    return f"{counted(calls, 'call')} ran as in the original, unseen: there was nothing to gain"


def ranges(names: Sequence[str], *, shown: int = 4) -> str:
    """Names in short: ``a[0], a[1], a[2], b`` becomes ``a[0-2], b``; at most ``shown`` of them.

    Names that differ in one number only are put together, if there are three of them or more.
    """
    rest = list(dict.fromkeys(names))
    short: list[str] = []
    while rest:
        head, tail, numbers = max(_families(rest), key=lambda family: len(family[2]))
        if len(numbers) >= 3:
            runs = _runs(sorted(numbers.values()))
            short.append(f"{head}{runs}{tail}" if tail[:1] == "]" else f"{head}{{{runs}}}{tail}")
            rest = [name for name in rest if name not in numbers]
        else:
            short.append(rest.pop(0))
    if len(short) > shown:
        return ", ".join(short[: shown - 1]) + f" and {len(short) - shown + 1} more"
    return ", ".join(short)


def _families(names: Sequence[str]) -> Iterator[tuple[str, str, dict[str, int]]]:
    """For each number in the first name: head, tail, and the names that differ in it only."""
    yield names[0], "", {}
    for match in _NUMBER.finditer(names[0]):
        head, tail = names[0][: match.start()], names[0][match.end() :]
        numbers = {
            name: name[len(head) : len(name) - len(tail)]
            for name in names
            if name.startswith(head) and name.endswith(tail)
        }
        yield head, tail, {name: int(n) for name, n in numbers.items() if n.isdecimal()}


def _runs(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def columns(rows: Iterable[Sequence[str]], *, indent: str = "  ", right: str = "") -> list[str]:
    """Rows as aligned text. ``right`` has an ``r`` for every column that is set to the right.

    Text in the last column that goes beyond a terminal's 80 columns goes on below.
    """
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    filled = [i for i, width in enumerate(widths) if width]
    last = len(indent) + sum(widths[i] + 2 for i in filled[:-1])
    ends = filled[-1] if filled else 0
    words = right[ends : ends + 1] != "r"
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if right[i : i + 1] == "r" else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        line = (indent + "  ".join(cells)).rstrip()
        lines += _broken(line, last) if words and row[ends] else [line]
    return lines


def _broken(line: str, column: int) -> list[str]:
    """A line in as many as it needs; those after the first begin at the column, if there is room
    for words."""
    if len(line) <= _TERMINAL:
        return [line]
    further = " " * (column if column <= _TERMINAL - _WORDS else 6)
    return textwrap.wrap(
        line,
        _TERMINAL,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def indented(text: str, indent: str = "  ") -> list[str]:
    """The lines of a text, moved to the right."""
    return [(indent + line).rstrip() for line in text.splitlines()]
