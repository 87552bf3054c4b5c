"""Answers that are still being written: what of their lists no rest can change any more.

A line counts once it has ended, a member of a JSON list once it is closed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ayo_bridge.learn.count import After, Chunks, Count, Length
from ayo_bridge.learn.program import EVERY, Index, Join, Place, Program, Ref, Span
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result
from ayo_bridge.learn.values import COUNT, Part, part_of

VIEWS: Final = ("lines", "bare", "json")
"""The views of an answer that have certain members before it is whole."""
VECTORS: Final = "vectors"
_ENDS: Final = '\n",]}'
_MOST_STEPPED: Final = 8000
"""Characters of an answer that is taken apart as if it were being written."""
_SHARE: Final = 16
"""A document is read again once it has grown by such a part of it: long ones not member by member.
"""
_CLOSING: Final = {"[": "]", "{": "}"}


class Grows(NamedTuple):
    """The sites whose results can be seen in parts.

    ``watched``: answers that the original itself reads while they are written. ``rebuilt``: answers
    that can be seen so where they are made ahead. ``stages``: embeddings that are computed by so
    many texts at a time where they are made ahead. Where anything is seen in parts that saves most
    where not all calls that follow can be ahead at once: ``slots`` are so many, 0: any number.
    """

    watched: frozenset[str] = frozenset()
    rebuilt: frozenset[str] = frozenset()
    stages: Mapping[str, int] = MappingProxyType({})
    slots: int = 0

    @property
    def of_any(self) -> frozenset[str]:
        """Those that can be seen where they are made ahead."""
        return self.watched | self.rebuilt

    @property
    def nothing(self) -> bool:
        """Whether no result can be seen in parts."""
        return not (self.watched or self.rebuilt or self.stages)


NOTHING_GROWS: Final = Grows()


def feeding(template: Template) -> Mapping[str, frozenset[str]]:
    """The sites of the members of whose results predicted calls are made, and by which views.

    These are answers, and lists of texts that are embedded at once.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for each in template.sites:
        if not each.predicts:
            continue
        places = [*_of_count(each.count)]
        for learned in each.classes:
            if learned.predicts:
                places += _of_program(learned.program)
        for place in places:
            source = template.site(str(place[1]))
            if source is None or source is each:
                continue
            if source.kind is (Kind.EMBEDDING if place[3] == VECTORS else Kind.LLM):
                found[source.site].add(str(place[3]))
    return {site: frozenset(views) for site, views in found.items()}


def _of_program(program: Program) -> Iterator[Place]:
    """The places in answers that a program can look at before these are whole."""
    for part in program.parts:
        if isinstance(part, Ref):
            places = [place for place, _ in part.terms]
            whole = {place[:3] for place in places if not _comes_early(place)}
            yield from (place for place in places if place[:3] not in whole)
        elif isinstance(part, Join):
            for expression in part.lists:
                if isinstance(expression, Span) and expression.chunk:
                    yield from filter(_comes_early, [expression.term.place])


def _comes_early(place: Place) -> bool:
    """Whether a place is an item that may be certain before the answer is whole."""
    if place[0] != "at" or len(place) < 5 or place[-1] == COUNT:
        return False
    if place[3] == VECTORS:
        return isinstance(step := place[4], Index) and step.base in ("visit", "every")
    ends = any(isinstance(step, Index) and step.base == "end" for step in place)
    return place[3] in VIEWS and not ends


def _of_count(count: Count) -> Iterator[Place]:
    match count:
        case Length(place) | Chunks(place) if _comes_early((*place, EVERY)):
            yield place
        case After(_, inner):
            yield from _of_count(inner)
        case _:
            pass


def steps(text: str) -> Iterator[int]:
    """How much of an answer there is each time something in it may just have ended."""
    if len(text) <= _MOST_STEPPED:
        yield from (at + 1 for at, char in enumerate(text[:-1]) if char in _ENDS)


def vectors_of(result: Result) -> Mapping[str, Part]:
    """What is known of a list of texts of which the first have been embedded."""
    return {VECTORS: part_of(result, VECTORS)}


class Growing:
    """Reads one answer while it grows. Not thread-safe. ``views``: those that are asked for."""

    def __init__(self, views: Collection[str]) -> None:
        self._views = views
        self._lines = 0
        """Characters of the lines that have ended."""
        self._document = _Document() if "json" in views else None
        self._parts: dict[str, Part] = {}

    def feed(self, text: str) -> Mapping[str, Part] | None:
        """What is certain now, by view; ``None`` if that is no more than before.

        ``text`` is the answer so far.
        """
        grown = False
        ended = text.rfind("\n") + 1
        if ended > self._lines and not {"lines", "bare"}.isdisjoint(self._views):
            self._lines = ended
            for name in ("lines", "bare"):
                if name in self._views:
                    grown |= self._take(name, text[:ended])
        if self._document is not None and (members := self._document.feed(text)) is not None:
            grown |= self._take("json", members)
        return dict(self._parts) if grown else None

    def _take(self, name: str, text: str) -> bool:
        made = part_of(Result(text), name)
        texts = {path: said for path, said in made.texts.items() if path[-1] != COUNT}
        before = self._parts.get(name)
        self._parts[name] = Part(texts, made.lengths)
        return bool(texts) and (before is None or before.texts != texts)


class _Document:
    """The JSON document in an answer, cut behind the last member of a list that is closed.

    Members of lists within those members come with them. That a key of an object around the list
    is written twice, and that something in brackets follows the document, is not foreseen.
    """

    def __init__(self) -> None:
        self._at = 0
        self._start = -1
        self._taken = 0
        self._open: list[str] = []
        self._quoted = self._escaped = False
        self._over = False

    def feed(self, text: str) -> str | None:
        """The document so far as a whole one; ``None``: no more of it is closed than before."""
        cut: tuple[int, tuple[str, ...]] | None = None
        while self._at < len(text) and not self._over:
            char, self._at = text[self._at], self._at + 1
            if self._start < 0:
                if char in _CLOSING:
                    self._start = self._at - 1
                    self._open.append(char)
                continue
            if (end := self._read(char)) is not None:
                cut = end, tuple(self._open)
        if cut is None:
            return None
        end, still_open = cut
        if (end - self._taken) * _SHARE < end - self._start:
            return None
        self._taken = end
        made = text[self._start : end] + "".join(_CLOSING[each] for each in reversed(still_open))
        try:
            json.loads(made)
        except (ValueError, RecursionError):
            self._over = True
            return None
        return made

    def _read(self, char: str) -> int | None:
        """Take in a character; where the document may be cut, if that is here."""
        if self._quoted:
            if self._escaped or char == "\\":
                self._escaped = not self._escaped
            elif char == '"':
                self._quoted = False
                return self._at if self._in_list else None
            return None
        if char == '"':
            self._quoted = True
        elif char in _CLOSING:
            self._open.append(char)
        elif char == "," and self._in_list:
            return self._at - 1
        elif char in "]}":
            if not self._open or _CLOSING[self._open.pop()] != char:
                self._over = True
                return None
            self._over = not self._open
            return self._at if self._in_list or self._over or "[" not in self._open else None
        return None

    @property
    def _in_list(self) -> bool:
        """Whether what is being written is a member of an outermost list."""
        return bool(self._open) and self._open[-1] == "[" and self._open.count("[") == 1
