"""What differs, and what of it the original itself leaves to chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.compositions.algebra import (
    Apart,
    Beside,
    Branch,
    Each,
    Fails,
    Fields,
    Judged,
    Kept,
    Node,
    Persist,
    Raises,
    Rescue,
    Route,
    Then,
    Tool,
    Until,
)
from tests.differential.compare import difference
from tests.differential.harness import TOLERANCE, Framework, outcome_difference
from tests.differential.observing import Outcome
from tests.differential.plain import Plain
from tests.differential.record import Log

_RACED: Final = "langchain_core.runnables.utils.AddableDict"


def errors_race(node: Node, *, side_by_side: bool = False) -> bool:
    """Whether what may raise is in what an asynchronous application does at the same time."""
    match node:
        case Raises() | Fails():
            return side_by_side
        case Beside(parts):
            return any(errors_race(part, side_by_side=True) for part in parts)
        case Each(inner):
            return errors_race(inner, side_by_side=True)
        case Then(parts) | Apart(parts):
            return any(errors_race(part, side_by_side=side_by_side) for part in parts)
        case (
            Branch(_, one, other)
            | Route(_, one, other)
            | Judged(_, _, one, other)
            | Rescue(one, other)
        ):
            both = (one, other)
            return any(errors_race(part, side_by_side=side_by_side) for part in both)
        case (
            Until(_, inner, _) | Persist(_, _, inner, _) | Tool(inner) | Kept(inner) | Fields(inner)
        ):
            return errors_race(inner, side_by_side=side_by_side)
        case _:
            return False


def first_difference(
    original: list[Outcome],
    again: list[Outcome],
    accelerated: list[Outcome],
    vain: list[int],
    framework: Framework,
    at_once: bool,
) -> str | None:
    """The first question, and what differs; ``vain``: what had been made in vain after each."""
    before = 0
    for number, (one, two, fast, now) in enumerate(
        zip(original, again, accelerated, vain, strict=True)
    ):
        more, before = now - before, now
        one, two, fast = map(_unordered, (one, two, fast))
        if one.raised and fast.raised and at_once:
            # Who was still to begin when the first of a batch failed is chance.
            found = difference(one.result, fast.result, TOLERANCE, "result")
            if found is not None:
                return f"question {number}: {found}"
            continue
        extra = fast.requests - one.requests
        if extra.total() <= more:
            fast = replace(fast, requests=fast.requests - extra)
        if one.requests != two.requests and fast.requests == two.requests:
            one = replace(one, requests=two.requests)
        found = outcome_difference(one, two, fast, TOLERANCE, in_threads=framework.in_threads)
        if found is not None:
            return f"question {number}: {found}"
    return None


def whichever(outcome: Outcome) -> Outcome:
    """Without which one of several errors came first, and who saw it: what is sent is the same."""
    result = "an error" if outcome.raised else outcome.result
    return replace(outcome, result=result, log=Log([]))


def _unordered(outcome: Outcome) -> Outcome:
    """Without the order in which the steps of a streamed parallel one came: they race, and a step
    whose result was there first is first."""
    entries = [replace(seen, content=_sorted(seen.content)) for seen in outcome.log.entries]
    return replace(outcome, result=_sorted(outcome.result), log=Log(entries))


def _sorted(value: Plain) -> Plain:
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    if not isinstance(value, dict):
        return value
    raced = value.get(_RACED)
    if isinstance(raced, dict):
        return {**value, _RACED: {name: _sorted(raced[name]) for name in sorted(raced)}}
    return {name: _sorted(each) for name, each in value.items()}
