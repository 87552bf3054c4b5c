"""One app as it is and optimised: the same queries, and whether they gave the same values."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, cast

from ayo_bridge.graph import Op
from ayo_bridge.graph.primitive import PREFILLS
from ayo_bridge.passes import Pass
from ayo_bridge.workflow import MISSING, Embedded, Result, Scored, items_of
from examples.apps.backend import Backend
from examples.apps.spec import AppSpec, Sizes
from examples.apps.texts import Subject, library

TOLERANCE: Final = 1e-6
"""Batches that are put together differently change the last bits of vectors and scores."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What the queries of one script gave, in the order in which they were asked."""

    name: str
    results: tuple[Result, ...]

    @property
    def seconds(self) -> float:
        """The mean latency of a query."""
        return sum(result.seconds for result in self.results) / len(self.results)


def inputs(spec: AppSpec, sizes: Sizes, subject: Subject) -> dict[str, object]:
    """What a query about a subject brings."""
    brought: dict[str, object] = {"question": subject.question}
    if "documents" in spec.inputs:
        brought["documents"] = library().chunks(subject, sizes.chunks, sizes.chunk_tokens)
    return brought


async def run(
    name: str,
    backend: Backend,
    spec: AppSpec,
    sizes: Sizes,
    subjects: Sequence[Subject],
    *,
    passes: tuple[Pass, ...],
    timeout: float | None = None,
) -> Arm:
    """Submit all queries at once and wait for them."""
    workflow = spec.workflow(sizes)
    asked = [inputs(spec, sizes, subject) for subject in subjects]
    async with backend.app(spec, sizes, passes=passes) as app:
        submitted = [app.submit(each, workflow, timeout=timeout) for each in asked]
        return Arm(name, tuple(await asyncio.gather(*submitted)))


async def stream(
    backend: Backend,
    spec: AppSpec,
    sizes: Sizes,
    subject: Subject,
    *,
    passes: tuple[Pass, ...],
    timeout: float | None = None,
    tell: Callable[[str], None],
) -> None:
    """Submit one query and pass on its answer as it is written."""
    asked = inputs(spec, sizes, subject)
    async with backend.app(spec, sizes, passes=passes) as app:
        pieces = app.stream(asked, spec.workflow(sizes), timeout=timeout)
        async with aclosing(pieces):
            async for piece in pieces:
                tell(piece)


def differences(plain: Result, optimised: Result) -> list[str]:
    """The values of the p-graph that are not the same in both, by name."""
    names = [
        value
        for primitive in plain.p_graph
        if primitive.op not in PREFILLS and primitive.op is not Op.INGESTION
        for value in primitive.outputs
    ]
    return [name for name in names if not same(_value(plain, name), _value(optimised, name))]


def _value(result: Result, name: str) -> object:
    """A value, which may have been skipped as a whole."""
    value = result[name]
    return MISSING if value == [] and name not in result.values else value


def same(one: object, other: object) -> bool:
    """Whether two values are equal but for the last bits of numbers."""
    match one, other:
        case Embedded(), Embedded():
            return one.text == other.text and same(_plain(one.vector), _plain(other.vector))
        case Scored(), Scored():
            return one.text == other.text and same(one.score, other.score)
        case float(), float():
            return math.isclose(one, other, rel_tol=0.0, abs_tol=TOLERANCE)
        case (list() | tuple(), list() | tuple()):
            left, right = items_of(one), items_of(other)
            return len(left) == len(right) and all(map(same, left, right))
    return one == other


def _plain(vector: object) -> object:
    """A vector as a list, if it is an array of numbers."""
    tolist = getattr(vector, "tolist", None)
    return cast(object, tolist()) if tolist is not None else vector
