"""The values that a result holds: texts by path, from which later requests may be made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from json.encoder import encode_basestring
from typing import Literal, NamedTuple

from ayo_bridge.learn.trace import Result, vector_name

Path = tuple[str | int, ...]
"""Where a value is: names, and positions in lists. Roots are ``("in", name, ..)`` for an input,
``("at", site, visit, part, ..)`` for a result and ``("mean", site)`` over a site's vectors."""

FormName = Literal[
    "plain",
    "strip",
    "lower",
    "upper",
    "strip lower",
    "strip upper",
    "repr",
    "json",
    "python",
    "cut",
]
PART_NAMES = ("text", "lines", "bare", "json", "tools", "vectors", "items", "mean")
COUNT = "#count"
"""The last step of the path to the length of a list, as a text."""
MOST_LINES = 200
CUTS = (
    *(50, 80, 100, 120, 128, 150, 200, 250, 256, 300, 400, 500, 512, 600, 750, 800),
    *(1000, 1024, 1200, 1500, 2000, 2048, 3000, 4000, 5000, 8000, 10000),
)
"""Lengths at which programs are used to cut texts."""
BULLET = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")
_DEEPEST = 12
_MOST_LEAVES = 2000
MOST_AVERAGED = 32
"""Vectors of which a mean may be taken: more are an index being built, not a query."""


class Form(NamedTuple):
    """How a value is written: as it is, or after a text function; ``size`` belongs to ``cut``."""

    name: FormName
    size: int = 0


PLAIN, STRIP = Form("plain"), Form("strip")
_CASES = (*(Form("lower"), Form("upper"), Form("strip lower"), Form("strip upper"), Form("repr")),)


def encoded(text: str) -> str:
    """The text inside JSON's quotes, not ASCII-escaped."""
    return encode_basestring(text)[1:-1]


def _python(text: str) -> str:
    return {"true": "True", "false": "False", "null": "None"}.get(text, text)


_FUNCTIONS: Mapping[FormName, Callable[[str], str]] = {
    "plain": str,
    "strip": str.strip,
    "lower": str.lower,
    "upper": str.upper,
    "strip lower": lambda text: text.strip().lower(),
    "strip upper": lambda text: text.strip().upper(),
    "repr": repr,
    "json": encoded,
    "python": _python,
}


def shaped(text: str, form: Form) -> str:
    """The value ``text`` in a form."""
    return text[: form.size] if form.name == "cut" else _FUNCTIONS[form.name](text)


def other_forms(text: str) -> Iterator[tuple[Form, str]]:
    """All forms in which a value differs from itself and still says enough to be recognised."""
    if text in {"true", "false", "null"}:
        yield Form("python"), _python(text)
    if '"' in text or "\\" in text or "\n" in text or "\t" in text:
        yield Form("json"), encoded(text)
    if len(text) < 8:
        return
    for form in _CASES:
        if (other := shaped(text, form)) != text:
            yield form, other
    for size in CUTS:
        if size >= len(text):
            return
        yield Form("cut", size), text[:size]


@dataclass(frozen=True, slots=True)
class Part:
    """One view of a result: texts and lengths of lists, by path below the result."""

    texts: dict[Path, str]
    lengths: dict[Path, int]


def part_of(result: Result, name: str) -> Part:
    """One of :data:`PART_NAMES` of a result; empty where the result has nothing of it."""
    texts = dict(_PARTS[name](result)) if name in _PARTS else {}
    lengths: dict[Path, int] = {}
    for path in texts:
        for at, step in enumerate(path):
            if isinstance(step, int):
                lengths[path[:at]] = max(lengths.get(path[:at], 0), step + 1)
    if name == "json":
        lengths.update((("json", *path), 0) for path in _empty(_document(result.text)))
    elif name == "items" and result.items == ():
        lengths["items",] = 0
    elif name in ("lines", "bare") and result.text is not None and not result.text.strip():
        lengths.setdefault((name,), 0)
    if name in ("lines", "json", "items"):
        texts |= {(*path, COUNT): str(length) for path, length in lengths.items()}
    return Part(texts, lengths)


def _text(result: Result) -> Iterator[tuple[Path, str]]:
    if result.text is not None:
        yield ("text",), result.text


def _filled_lines(text: str | None) -> list[str]:
    lines = (text or "").split("\n")
    return [line.strip() for line in lines if line.strip()] if len(lines) < MOST_LINES else []


def _lines(result: Result) -> Iterator[tuple[Path, str]]:
    for i, line in enumerate(_filled_lines(result.text)):
        yield ("lines", i), line


def _bare(result: Result) -> Iterator[tuple[Path, str]]:
    for i, line in enumerate(_filled_lines(result.text)):
        yield ("bare", i), BULLET.sub("", line).strip()


def _document(text: str | None) -> object:
    """The JSON document in an answer, whatever is around it; ``None`` if there is none."""
    said = text or ""
    starts = [at for mark in "[{" if (at := said.find(mark)) >= 0]
    end = max(said.rfind("]"), said.rfind("}")) + 1
    if not starts or end <= min(starts):
        return None
    try:
        return json.loads(said[min(starts) : end])
    except (ValueError, RecursionError):
        return None


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if len(path) > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, i))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _empty(value: object, path: Path = ()) -> Iterator[Path]:
    if len(path) > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty(inner, (*path, str(key)))
    elif isinstance(value, list):
        if not value:
            yield path
        for i, inner in enumerate(value):
            yield from _empty(inner, (*path, i))


def _json(result: Result) -> Iterator[tuple[Path, str]]:
    document = _document(result.text)
    if isinstance(document, dict | list):
        yield from islice(_leaves(document, ("json",)), _MOST_LEAVES)


def _tools(result: Result) -> Iterator[tuple[Path, str]]:
    for i, call in enumerate(result.tool_calls):
        yield ("tools", i, "id"), call.id
        yield ("tools", i, "name"), call.name
        yield ("tools", i, "arguments"), call.arguments
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            continue
        if isinstance(arguments, dict | list):
            yield from _leaves(arguments, ("tools", i, "args"))


def _vectors(result: Result) -> Iterator[tuple[Path, str]]:
    for i, vector in enumerate(result.vectors):
        yield ("vectors", i), vector.name


def _mean(result: Result) -> Iterator[tuple[Path, str]]:
    if 1 < len(result.vectors) <= MOST_AVERAGED and (
        name := mean_name([v.numbers for v in result.vectors])
    ):
        yield ("mean",), name


def _items(result: Result) -> Iterator[tuple[Path, str]]:
    for i, item in enumerate(result.items or ()):
        yield ("items", i, "text"), item.text
        if item.id:
            yield ("items", i, "id"), item.id
        for key, value in item.metadata.items():
            yield ("items", i, "metadata", key), value


_PARTS: Mapping[str, Callable[[Result], Iterator[tuple[Path, str]]]] = {
    "text": _text,
    "lines": _lines,
    "bare": _bare,
    "json": _json,
    "tools": _tools,
    "vectors": _vectors,
    "items": _items,
    "mean": _mean,
}


def mean_name(rows: list[tuple[float, ...]]) -> str | None:
    """The name of the mean of vectors; added up row by row, as NumPy does along axis 0."""
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        return None
    total = list(rows[0])
    for row in rows[1:]:
        total = [a + b for a, b in zip(total, row, strict=True)]
    return vector_name([x / len(rows) for x in total])
