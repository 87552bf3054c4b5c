"""What requests hold that comes from nothing known: a value from when the original asks for it.

A random id, the time, a text from a database: no earlier result holds it, so the first request with
it cannot be predicted. Once that has been asked, the later ones that repeat it can. The texts that
stand in the holes of a site's requests are the results of another site, which is like a helper: the
original itself comes by them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ayo_bridge.learn.count import AtLeast
from ayo_bridge.learn.cover import LEAST
from ayo_bridge.learn.evidence import Case, Whole, whole
from ayo_bridge.learn.known import Known, Missing
from ayo_bridge.learn.learned_site import SETTLED, LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.positions import Where
from ayo_bridge.learn.program import Hole, Program
from ayo_bridge.learn.render import render
from ayo_bridge.learn.trace import Item, Kind, Result, Trace, TracedCall
from ayo_bridge.learn.values import encoded
from ayo_bridge.learn.visits import visits_of

_MARK = "?"


def asked_site(site: str) -> str:
    """The name of the site whose results are what requests of ``site`` hold."""
    return site + _MARK


def asked_of(learned: LearnedSite) -> str | None:
    """The site in whose requests such values stand; ``None``: this is no site of such values."""
    return learned.site.removesuffix(_MARK) if learned.site.endswith(_MARK) else None


def values_site(site: str, classes: tuple[LearnedClass, ...]) -> LearnedSite:
    """The site of what stands in the holes of these classes' requests."""
    return LearnedSite(asked_site(site), Kind.HELPER, classes, AtLeast(0), Status.HELPER)


def values(learned: LearnedSite, known: Known, visit: int, request: str) -> Result | None:
    """What stands in the holes of a request; ``None`` if it is not as all that were seen."""
    try:
        found = learned.program_of(visit, known)
    except Missing:
        return None
    if found is None or found[0].inputs < SETTLED:
        return None
    texts = _in_holes(found[0].program, found[1], known, request)
    return None if texts is None else Result(items=tuple(map(Item, texts)))


def fits(program: Program, case: Case, selector: Selector) -> bool:
    """Whether a request is as the program says, whatever stands in its holes."""
    where = case.where(selector)
    return _in_holes(program, where, case.whole.known, case.request) is not None


def add_values(learned: LearnedSite, wholes: Sequence[Whole]) -> bool:
    """Add a site's values to all that traces show; not if no later request holds any of them."""
    site = str(asked_of(learned))
    found = [_calls(learned, each.known, each.visits.get(site, ())) for each in wholes]
    if not any(_is_repeated(each, own) for each, own in zip(wholes, found, strict=True)):
        return False
    for each, calls in zip(wholes, found, strict=True):
        each.add_helper(learned.site, calls, single=site in each.single)
    return True


def with_values(trace: Trace, sites: Sequence[LearnedSite]) -> Trace:
    """The trace with these sites' values, each there from when its request was asked."""
    if not sites:
        return trace
    known, visits = whole(trace).known, visits_of(trace)
    found = [_calls(each, known, visits.get(str(asked_of(each)), ())) for each in sites]
    return replace(trace, calls=(*trace.calls, *itertools.chain(*found)))


def _calls(learned: LearnedSite, known: Known, requests: Sequence[TracedCall]) -> list[TracedCall]:
    """The values as calls of a helper."""
    return [
        TracedCall(
            learned.site,
            call.branch,
            Kind.HELPER,
            "",
            values(learned, known, visit, call.request),
            began=call.began,
            ended=call.began,
        )
        for visit, call in enumerate(requests)
    ]


def _is_repeated(seen: Whole, calls: Sequence[TracedCall]) -> bool:
    return any(
        encoded(item.text) in request
        for call in calls
        for item in (call.result.items or () if call.result else ())
        if len(item.text) >= LEAST
        for began, request in seen.requests
        if began > call.began
    )


def _in_holes(program: Program, where: Where, known: Known, request: str) -> tuple[str, ...] | None:
    """The texts in the holes of a program that made the request but for them."""
    try:
        texts = [*_between_holes(program, where, known)]
    except Missing:
        return None
    if len(texts) == 1 or not request.startswith(texts[0]):
        return () if request == texts[0] else None
    found, at = [], len(texts[0])
    for number, text in enumerate(texts[1:], 2):
        last = number == len(texts)
        end = len(request) - len(text) if last else request.find(text, at)
        if end < at or (last and not request.endswith(text)):
            return None
        found.append(request[at:end])
        at = end + len(text)
    try:
        return tuple(json.loads(f'"{text}"') for text in found)
    except ValueError:
        return None


def _between_holes(program: Program, where: Where, known: Known) -> Iterable[str]:
    parts: list[str] = []
    for part in program.parts:
        if isinstance(part, Hole):
            yield "".join(parts)
            parts = []
        else:
            parts.append(render(Program((part,)), where, known, set()))
    yield "".join(parts)
