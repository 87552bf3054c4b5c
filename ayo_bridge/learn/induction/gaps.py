"""What varies between the values of a request: short values, counters, tables, or a hole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ayo_bridge.learn.cover import WEAK, Token
from ayo_bridge.learn.evidence import View
from ayo_bridge.learn.induction.joins import Lists, lists_of
from ayo_bridge.learn.induction.ranking import best_lists, best_terms
from ayo_bridge.learn.positions import MOST_KEY, table_key
from ayo_bridge.learn.program import (
    MOST_TABLE_TEXT,
    TURN,
    Const,
    Counter,
    Hole,
    Join,
    Node,
    Program,
    Ref,
    Row,
    Table,
    Term,
)
from ayo_bridge.learn.values import PLAIN

_WORDS = re.compile(r"\w+|\W+")
_NUMBER = re.compile(r"0|[1-9]\d{0,5}")
_MOST_HOLES = 2
_LEAST_SERIES = 3


def glued(parts: Sequence[Node]) -> Program:
    """The parts with neighbouring constants as one, empty ones left out."""
    out: list[Node] = []
    for part in parts:
        if isinstance(part, Const) and out and isinstance(last := out[-1], Const):
            out[-1] = Const(last.text + part.text)
        elif part != Const(""):
            out.append(part)
    return Program(tuple(out))


def explain(gap: tuple[str, ...], views: list[View], start: int) -> list[Node]:
    """Parts that make the gap's texts, one a case; ``start`` is its place in the first request."""
    if len(set(gap)) == 1:
        return [Const(gap[0])]
    before = _shared(min(gap), max(gap))
    turned = [text[::-1] for text in gap]
    after = _shared(min(turned), max(turned))
    if (found := _running(gap, before, after, views)) is not None:
        return found
    if (found := _around(gap, before, after, views)) is not None:
        return found
    if (found := _words(gap, views, start)) is not None:
        return found
    while before and gap[0][before - 1].isalnum():
        before -= 1
    after = min(after, min(map(len, gap)) - before)
    while after and gap[0][-after].isalnum():
        after -= 1
    middle = [text[before : len(text) - after] for text in gap]
    tail = gap[0][len(gap[0]) - after :] if after else ""
    return [Const(gap[0][:before]), _one(middle, views, start + before), Const(tail)]


def _shared(a: str, b: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    least, most = 0, min(len(a), len(b))
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if a[:middle] == b[:middle] else (least, middle - 1)
    return least


def _running(gap: tuple[str, ...], before: int, after: int, views: list[View]) -> list[Node] | None:
    """A running number within a word, as in ``store2``."""
    while before and gap[0][before - 1].isdigit():
        before -= 1
    after = min(after, min(map(len, gap)) - before)
    while after and gap[0][-after].isdigit():
        after -= 1
    middle = [text[before : len(text) - after] for text in gap]
    if (counter := _counter(middle, views)) is None:
        return None
    return [Const(gap[0][:before]), counter, Const(gap[0][len(gap[0]) - after :] if after else "")]


def _words(gap: tuple[str, ...], views: list[View], start: int) -> list[Node] | None:
    """The gap word by word, where all texts have as many words."""
    columns = [_WORDS.findall(text) for text in gap]
    if len({len(column) for column in columns}) != 1:
        return None
    across = list(zip(*columns, strict=True))
    out: list[Node] = []
    at, done = start, 0
    for number, column in enumerate(across):
        if number >= done and (found := _series(across, number, views)) is not None:
            done, join = found
            out.append(join)
        elif number < done:
            pass
        elif len(set(column)) == 1:
            out.append(Const(column[0]))
        elif all(word[0].isalnum() for word in column):
            out.append(_one(list(column), views, at))
        else:
            return None
        at += len(column[0])
    return out if sum(isinstance(part, Hole) for part in out) <= _MOST_HOLES else None


def _series(
    columns: Sequence[tuple[str, ...]], first: int, views: list[View]
) -> tuple[int, Join] | None:
    """The members of one list as single words, and the column after them.

    Each by itself says too little: a short word is equal to many values, and may never vary.
    """
    words = range(first, len(columns), 2)
    between = columns[first + 1] if first + 1 < len(columns) else ()
    last = first
    for number in words:
        if not all(word[0].isalnum() and len(word) < WEAK for word in columns[number]):
            break
        last = number
        if number + 1 >= len(columns) or columns[number + 1] != between:
            break
    own = columns[first : last + 1 : 2]
    varied = sum(len(set(column)) > 1 for column in own)
    if len(set(between)) != 1 or len(own) < _LEAST_SERIES or varied < _LEAST_SERIES - 1:
        return None
    common: Lists | None = None
    for view, texts in zip(views, zip(*own, strict=True), strict=True):
        lists = lists_of([Token(text, view.sources(text)) for text in texts], view)
        common = lists if common is None else common & lists
        if not common:
            return None
    assert common is not None
    best = best_lists(common, views[0].case.whole.helpers)
    return last + 1, Join(best, Program((Const(between[0]),)))


def _around(gap: tuple[str, ...], before: int, after: int, views: list[View]) -> list[Node] | None:
    """A value that holds all that varies, with the same text around it everywhere."""
    common: set[tuple[Term, str, str]] | None = None
    for text, view in zip(gap, views, strict=True):
        end = len(text) - after
        middle = text[before:end] if before < end else ""
        mine: set[tuple[Term, str, str]] = set()
        for candidate in view.case.whole.sources(view.rich).sized(len(middle), len(text)):
            if middle not in candidate:
                continue
            at = text.find(candidate, max(0, end - len(candidate)))
            while 0 <= at <= before:
                rest = text[at + len(candidate) :]
                terms = view.terms(view.sources(candidate))
                mine |= {(term, text[:at], rest) for term in terms}
                at = text.find(candidate, at + 1)
        common = mine if common is None else common & mine
        if not common:
            return None
    assert common
    size = min(len(head) + len(tail) for _, head, tail in common)
    head, tail = min((a, b) for _, a, b in common if len(a) + len(b) == size)
    same = [term for term, a, b in common if (a, b) == (head, tail)]
    return [Const(head), Ref(best_terms(same, views[0].case.whole.helpers)), Const(tail)]


def _one(texts: list[str], views: list[View], at: int) -> Node:
    """One node for a text that varies."""
    if (counter := _counter(texts, views)) is not None:
        return counter
    common: frozenset[Term] | None = None
    for text, view in zip(texts, views, strict=True):
        mine = view.terms(view.sources(text))
        common = mine if common is None else common & mine
        if not common:
            break
    if common:
        return Ref(best_terms(common, views[0].case.whole.helpers))
    if (table := _turns(texts, views) or _table(texts, views)) is not None:
        return table
    return Hole(f"what varies at character {at} comes from nothing known")


def _counter(texts: list[str], views: list[View]) -> Counter | None:
    if not all(_NUMBER.fullmatch(text) for text in texts) or len(set(texts)) < 2:
        return None
    numbers = [int(text) for text in texts]
    wheres = [view.where for view in views]
    for base, places in (
        ("position", [where.position for where in wheres]),
        ("visit", [where.visit for where in wheres]),
        ("item", [where.item for where in wheres]),
    ):
        offsets = {
            None if place is None else number - place
            for number, place in zip(numbers, places, strict=True)
        }
        if len(offsets) == 1 and (offset := offsets.pop()) is not None:
            return Counter(base, offset)  # type: ignore[arg-type]
    return None


def _turns(texts: list[str], views: list[View]) -> Table | None:
    """Two texts in turns, as the roles of a conversation are."""
    found: dict[str, str] = {}
    for text, view in zip(texts, views, strict=True):
        at = view.where.position
        if at is None or found.setdefault(str(at % 2), text) != text:
            return None
    if len(found) < 2 or max(map(len, texts)) > MOST_TABLE_TEXT:
        return None
    return Table(Term(TURN), tuple(Row(key, text) for key, text in sorted(found.items())))


def _table(texts: list[str], views: list[View]) -> Table | None:
    """A table whose every text was seen twice on average, by the value with the fewest keys."""
    if not all(any(c.isalnum() for c in text) for text in texts):
        return None
    if len(set(texts)) > len(texts) // 2 or max(map(len, texts)) > MOST_TABLE_TEXT:
        return None
    common: dict[Term, list[str]] | None = None
    for view in views:
        mine: dict[Term, str] = {}
        for text in view.case.whole.sources(rich=False).texts:
            if len(text) <= MOST_KEY:
                for source in view.sources(text):
                    if source.form == PLAIN and source.path[3:4] != ("vectors",):
                        key = table_key(view.case.whole.known.text(source.path))
                        mine.update(dict.fromkeys(view.terms((source,)), key))
        if common is None:
            common = {term: [key] for term, key in mine.items()}
        else:
            common = {t: [*keys, mine[t]] for t, keys in common.items() if t in mine}
        if not common:
            return None
    assert common is not None
    for term, keys in sorted(
        common.items(), key=lambda each: (len(set(each[1])), len(each[0].place), repr(each[0]))
    ):
        rows = dict(zip(keys, texts, strict=True))
        if len(rows) > len(texts) // 2:
            return None
        if all(rows[key] == text for key, text in zip(keys, texts, strict=True)):
            return Table(term, tuple(Row(key, text) for key, text in sorted(rows.items())))
    return None
