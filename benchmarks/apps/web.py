"""A search service that takes as long as those of the web, and how ayo-bridge is told of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ayo_bridge import Answer, Dialect, EngineKind
from ayo_bridge.seam import FoundItem
from ayo_bridge.simulate import LogNormal
from examples.apps.web import search_engine

LATENCY: Final = LogNormal(0.45, 0.25)
"""Half of all searches take less than 0.45 s, a fifth of the paper's 2.3 s (its Fig. 1)."""

SEARCH: Final = Dialect(
    name="web search",
    kind=EngineKind.SEARCH_API,
    paths=("/search",),
    fields=("q", "num"),
    model="",
    delivery=(),
    deterministic=True,
    anybodys=True,
    answer=lambda asked, said: Answer(
        items=tuple(FoundItem(hit["snippet"], "", {}) for hit in said.document["organic"])
    ),
)
"""Searching changes nothing and is nobody's: it may be done before it is known to be needed."""


@contextmanager
def service(speed: float) -> Iterator[str]:
    """The address of a running service, ``speed`` times as fast as one of the web.

    How long a search takes follows from the question, so that it is the same in all arms.
    """

    def seconds(question: str) -> float:
        return LATENCY.sample(random.Random(question)) / speed

    with search_engine(seconds) as url:
        yield url
