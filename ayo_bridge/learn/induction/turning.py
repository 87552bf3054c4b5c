"""Joins whose members carry text behind them, so that a list may also be empty.

Between ``user: Hi``, ``assistant: Hello``, the first form found is: the roles, with ``: {text}``
and a line break between them, and ``: {last text}`` behind the last one. Without any member
there is no last text. Turned, each role has its own text behind it.
"""

from __future__ import annotations

from dataclasses import replace

from ayo_bridge.learn.program import Const, Index, Join, Node, Place, Program, Ref, Span

_ITEM, _LAST = Index("item"), Index("end", -1)


def turn(program: Program) -> Program:
    """The program with what stands between members and behind the last one moved to each."""
    parts: list[Node] = []
    rest = list(program.parts)
    while rest:
        part = rest.pop(0)
        if isinstance(part, Join) and part.tail is None and _to_the_end(part):
            part, rest = _turned(part, rest)
        parts.append(part)
    return Program(tuple(parts))


def _to_the_end(join: Join) -> bool:
    first = join.lists[0]
    return isinstance(first, Span) and first.stop is None and not first.chunk


def _turned(join: Join, rest: list[Node]) -> tuple[Join, list[Node]]:
    separator, after = list(join.separator.parts), list(rest)
    tail: list[Node] = []
    while separator and after:
        between, behind = separator[0], after[0]
        if isinstance(between, Const) and isinstance(behind, Const):
            size = _shared(between.text, behind.text)
            tail.append(Const(between.text[:size]))
            separator[:1] = [Const(between.text[size:])] if between.text[size:] else []
            after[:1] = [Const(behind.text[size:])] if behind.text[size:] else []
            if size < len(between.text):
                break
        elif isinstance(between, Ref) and isinstance(behind, Ref):
            last = {(_at_last(term.place), term.form): term for term in between.terms}
            terms = tuple(last[term] for term in behind.terms if term in last)
            if not terms:
                break
            tail.append(Ref(terms))
            separator, after = separator[1:], after[1:]
        else:
            break
    if not any(isinstance(part, Ref) for part in tail):
        return join, rest
    return replace(join, separator=Program(tuple(separator)), tail=Program(tuple(tail))), after


def _shared(a: str, b: str) -> int:
    size = 0
    while size < min(len(a), len(b)) and a[size] == b[size]:
        size += 1
    return size


def _at_last(place: Place) -> Place:
    """Where the value of the member ``item`` is for the last one."""
    return tuple(_LAST if step == _ITEM else step for step in place)
