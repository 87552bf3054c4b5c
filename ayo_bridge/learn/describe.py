"""A learned template in words, for ``explain``."""

from __future__ import annotations

from collections.abc import Mapping

from ayo_bridge.learn.asked import asked_of
from ayo_bridge.learn.count import AtLeast, Both, Chunks, Count, Fixed, Graded, Length, Nested
from ayo_bridge.learn.learned_site import LearnedSite, Selector
from ayo_bridge.learn.program import (
    TURN,
    Const,
    Counter,
    Hole,
    Index,
    Join,
    Place,
    Program,
    Ref,
    Span,
    Table,
    Term,
    Union,
)
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.values import COUNT

Numbers = Mapping[str, int]
"""The number of each site, from 1, in the order of first calls."""
_BASES = {
    "visit": "k",
    "rest": "r",
    "outer": "a",
    "inner": "b",
    "item": "i",
    "next": "i'",
    "end": "end",
    "every": "*",
}
_PARTS = {
    "text": "answer",
    "lines": "answer",
    "bare": "answer",
    "json": "answer",
    "tools": "tool call",
    "vectors": "vector",
    "items": "item",
    "mean": "mean of the vectors",
}


def describe(template: Template) -> str:
    """One paragraph a site: how often it is visited, and its requests with placeholders."""
    numbers = {each.site: at for at, each in enumerate(template.sites, 1)}
    return "\n".join(describe_site(each, numbers) for each in template.sites)


def describe_site(learned: LearnedSite, numbers: Numbers) -> str:
    """One site of :func:`describe`."""
    if (site := asked_of(learned)) is not None:
        where = numbers.get(site, 0)
        return f"site {numbers[learned.site]}: what comes from nothing known at site {where}"
    lines = [
        f"site {numbers[learned.site]} ({learned.kind}): {learned.status}"
        + (f", {learned.reason}" if learned.reason else "")
    ]
    if learned.classes:
        lines.append(f"  visits: {describe_count(learned.count, numbers)}")
    for each in learned.classes:
        what = describe_program(each.program, numbers)
        which = _selected(each.selector, numbers)
        lines.append(f"  {which} ({each.instances} seen, {each.inputs} inputs): {what}")
    return "\n".join(lines)


def describe_count(count: Count, numbers: Numbers) -> str:
    """How often a site is visited."""
    match count:
        case Fixed(visits):
            return str(visits)
        case AtLeast(visits):
            return f"at least {visits}"
        case Length(place, offset):
            more = f" {offset:+}" if offset else ""
            return f"one for each {_list(place, numbers)}{more}"
        case Chunks(place, size):
            return f"one for every {size} of {_list(place, numbers)}"
        case Graded(site, _, word, _, visited, left):
            sense = f"at least {visited}" if visited > left else f"at most {visited}"
            return f"1 if {sense} of the answers of site {numbers.get(site, 0)} say {word!r}"
        case Nested(place):
            return f"one for each {_list(place, numbers)}"
        case Both(first, then):
            return f"one for each {_list(first, numbers)}, then for each {_list(then, numbers)}"
    inner = describe_count(count.count, numbers)
    return f"{inner} once site {numbers.get(count.site, 0)} was visited"


def describe_program(program: Program, numbers: Numbers) -> str:
    """The request, as JSON, with its values as placeholders in braces."""
    out = []
    for part in program.parts:
        match part:
            case Const(text):
                out.append(text)
            case Ref(terms):
                out.append(f"{{{_term(terms[0], numbers)}}}")
            case Counter(base, offset):
                name = {"visit": "k", "item": "i", "position": "n"}[base]
                out.append(f"{{{name}{offset:+}}}" if offset else f"{{{name}}}")
            case Table(term, rows):
                keys = ", ".join(f"{row.key}: {row.text}" for row in rows)
                out.append(f"{{by {_term(term, numbers)}: {keys}}}")
            case Join(lists, separator, tail):
                between = describe_program(separator, numbers)
                each = f", each with {describe_program(tail, numbers)}" if tail else ""
                out.append(f"{{{_members(lists[0], numbers)}{each}, between them: {between}}}")
            case Hole(reason):
                out.append(f"{{? {reason}}}")
    return "".join(out)


def _selected(selector: Selector, numbers: Numbers) -> str:
    if selector.before:
        return f"one visit k for each {_list(selector.before, numbers)}"
    if selector.nested:
        return f"one visit k for each {_list(selector.nested, numbers)}, the b-th of the a-th"
    if selector.after:
        return f"visits k that follow, r of them after each {_list(selector.after, numbers)}"
    if selector.last is None:
        return "all visits k" if selector.first == 0 else f"visits k from {selector.first}"
    return f"visit {selector.first}"


def _index(step: int | Index) -> str:
    if isinstance(step, int):
        return str(step)
    base = _BASES[step.base]
    return f"{base}{step.offset:+}" if step.offset else base


def _members(expression: Span | Union, numbers: Numbers) -> str:
    every = _term(expression.term, numbers)
    if isinstance(expression, Union):
        return f"{every}, each text once"
    if expression.chunk:
        return f"{every}, {expression.chunk} for each k"
    if expression.groups:
        return f"{every}, of each k as many as {_list(expression.groups, numbers)}"
    if expression.upto:
        return f"{every}, as many as {_list(expression.upto, numbers)}"
    if expression.start == 0 and expression.stop is None:
        return every
    stop = "end" if expression.stop is None else _index(expression.stop)
    return f"{every}, * from {expression.start} to before {stop}"


def _term(term: Term, numbers: Numbers) -> str:
    place, form = term
    said = _value(place, numbers)
    if form.name == "plain":
        return said
    size = f" {form.size}" if form.size else ""
    return f"{said}, {form.name}{size}"


def _list(place: Place, numbers: Numbers) -> str:
    if len(place) == 2 and place[0] == "at":
        return f"visit of site {numbers.get(str(place[1]), 0)}"
    return f"member of {_value(place, numbers)}"


def _value(place: Place, numbers: Numbers) -> str:
    if place == TURN:
        return "turn"
    if place[0] == "in":
        return _path(place[1:])
    number = numbers.get(str(place[1]), 0)
    if place[0] == "mean":
        return f"mean of the vectors of site {number}"
    visit = "" if place[2] == 0 else f", visit {_index(place[2])}"  # type: ignore[arg-type]
    part, rest = str(place[3]), place[4:]
    counted = "number of members of " if rest[-1:] == (COUNT,) else ""
    rest = rest[:-1] if counted else rest
    name = _PARTS[part]
    if part in ("lines", "bare"):
        line = "".join(f", line {_index(step)}" for step in rest if not isinstance(step, str))
        detail = line + (" without its bullet" if part == "bare" else "")
    elif part == "json":
        detail = f", {_path(rest)}" if rest else ""
    elif part == "text":
        detail = ""
    else:
        detail = f" {_path(rest)}" if rest else ""
    return f"{counted}{name} of site {number}{visit}{detail}"


def _path(steps: Place) -> str:
    out = ""
    for step in steps:
        out += f".{step}" if isinstance(step, str) else f"[{_index(step)}]"
    return out.removeprefix(".")
