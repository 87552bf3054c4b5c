"""Templates as JSON, without anything that could be one user's own text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, cast

from ayo_bridge.learn.count import (
    After,
    AtLeast,
    Both,
    Chunks,
    Count,
    Fixed,
    Graded,
    Length,
    Nested,
)
from ayo_bridge.learn.disk.program_json import (
    Json,
    from_json,
    place_from_json,
    place_to_json,
    to_json,
)
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.program import LEAST_INPUTS
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind
from ayo_bridge.learn.values import Path

FORMAT = 2
_PERSONAL: Final = re.compile(
    r"""
      [\w.+-]+@[\w-]+\.\w                                     # an address
    | \b(?:sk|pk|rk)[-_][\w-]{8,}                            # keys, as they are usually made
    | \b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|AKIA|AIza|hf_|ya29\.|eyJ)[\w-]{10,}
    | \bbearer\s+\S{8,}
    | \b(?:api[_-]?key|access[_-]?token|secret|password)\b\W{0,6}[:=]\W{0,6}\w{6,}
    | -----BEGIN\s
    | ://[^/\s:@]+:[^/\s@]+@                                  # a password in a URL
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What is never kept, however often it was seen."""


def template_to_json(template: Template) -> Json:
    """The template less the classes that must not be stored; their sites say so."""
    return {"format": FORMAT, "sites": [_site(each) for each in stored(template).sites]}


def stored(template: Template) -> Template:
    """The template as it is kept."""
    return Template(tuple(map(_stored, template.sites)))


def template_from_json(value: Json) -> Template:
    """What :func:`template_to_json` wrote.

    Raises:
        ValueError: it is of another format, or damaged.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("no learned template of this version")
    try:
        sites = cast("list[dict[str, Json]]", value["sites"])
        return Template(tuple(_site_from(each) for each in sites))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no learned template: {error!r}") from error


def _stored(learned: LearnedSite) -> LearnedSite:
    kept = tuple(each for each in learned.classes if _may_be_kept(each))
    if _is_personal(_count(learned.count)):
        kept = ()
    if kept == learned.classes:
        return learned
    status = learned.status
    if status in (Status.LEARNED, Status.PARTLY):
        status = Status.PARTLY if any(each.predicts for each in kept) else Status.UNSETTLED
    count = learned.count if kept else AtLeast(0)
    reason = learned.reason or "some of its text may not be kept on disk"
    return replace(learned, classes=kept, count=count, status=status, reason=reason)


def _may_be_kept(each: LearnedClass) -> bool:
    """Whether nothing of a class can be one user's own: names in its paths neither."""
    if not each.storable or each.inputs < LEAST_INPUTS:
        return False
    return not _is_personal(to_json(each.program))


def _is_personal(value: Json) -> bool:
    return any(map(_PERSONAL.search, _texts(value)))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])


def _site(learned: LearnedSite) -> Json:
    classes: list[Json] = [
        {
            "visits": [each.selector.first, each.selector.last],
            "lists": [place_to_json(place) for place in each.selector.lists],
            "program": to_json(each.program),
            "seen": [each.instances, each.inputs],
        }
        for each in learned.classes
    ]
    return {
        "site": learned.site,
        "kind": learned.kind.value,
        "classes": classes,
        "count": _count(learned.count),
        "status": learned.status.value,
        "reason": learned.reason,
    }


def _count(count: Count) -> Json:
    match count:
        case Fixed(visits):
            return ["fixed", visits]
        case AtLeast(visits):
            return ["at least", visits]
        case Length(place, offset):
            return ["length", place_to_json(place), offset]
        case Chunks(place, size):
            return ["chunks", place_to_json(place), size]
        case Graded(site, place, word, words, visited, left):
            return ["graded", site, place_to_json(place), word, list(words), visited, left]
        case Nested(place):
            return ["nested", place_to_json(place)]
        case Both(first, then):
            return ["both", place_to_json(first), place_to_json(then)]
    return ["after", count.site, _count(count.count)]


def _site_from(value: dict[str, Json]) -> LearnedSite:
    return LearnedSite(
        str(value["site"]),
        Kind(str(value["kind"])),
        tuple(_class_from(each) for each in cast("list[dict[str, Json]]", value["classes"])),
        _count_from(value["count"]),
        Status(str(value["status"])),
        str(value["reason"]),
    )


def _class_from(value: dict[str, Json]) -> LearnedClass:
    match value["visits"], value["lists"], value["seen"]:
        case [int(first), (int() | None) as last], [*lists], [int(instances), int(inputs)]:
            selector = Selector(first, last, *map(place_from_json, lists))
            return LearnedClass(selector, from_json(value["program"]), instances, inputs)
    raise ValueError(f"{value!r} is no class of visits")


def _count_from(value: Json) -> Count:
    match value:
        case ["fixed", int(visits)]:
            return Fixed(visits)
        case ["at least", int(visits)]:
            return AtLeast(visits)
        case ["length", place, int(offset)]:
            return Length(place_from_json(place), offset)
        case ["chunks", place, int(size)]:
            return Chunks(place_from_json(place), size)
        case ["graded", str(site), place, str(word), list(words), int(visited), int(left)]:
            path = cast("Path", place_from_json(place))
            return Graded(site, path, word, tuple(map(str, words)), visited, left)
        case ["nested", place]:
            return Nested(place_from_json(place))
        case ["both", first, then]:
            return Both(place_from_json(first), place_from_json(then))
        case ["after", str(site), inner]:
            count = _count_from(inner)
            if isinstance(count, Fixed | Length | Chunks):
                return After(site, count)
    raise ValueError(f"{value!r} is no number of visits")
