"""What is compared: the rows of a table, and the entries by which a framework is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.differential.compare import never
from tests.differential.record import Log
from tests.stub_openai import StubOpenAI


@dataclass
class Env:
    """What a case is built from. ``fixture`` gives a test's fixture by its name."""

    stub: StubOpenAI
    fixture: Callable[[str], Any]
    streaming: bool = False
    """Whether the entry that is tested wants a streaming object."""


@dataclass(frozen=True)
class Entry:
    """A way to ask an object. ``ask`` returns what the caller would look at."""

    ask: Callable[[Any, Any], Any]
    streaming: bool = False
    concurrent: bool = False
    """Whether ``ask`` is a coroutine function."""


@dataclass(frozen=True)
class Framework:
    """How to ask objects of a framework and how to watch it."""

    name: str
    entries: Mapping[str, Entry]
    watching: Callable[[Log], AbstractContextManager[None]]
    in_threads: Callable[[str], bool] = never
    """Of which spans the content may come in any order; see :func:`log_difference`."""


@dataclass(frozen=True)
class Case:
    """A row of a table.

    Args:
        name: unique among the rows of a framework.
        build: makes the object, anew for each run.
        queries: asked one after the other; a callable makes a fresh one for each run.
        entries: names of the framework's entries.
        runtime: options of the :class:`Runtime`.
        ahead: names of the entries where something has to be computed ahead and used; an
            accelerated run that only passes through proves little.
        requests: LLM requests that the original makes for the first query, to be sure that the row
            is what its name says; ``None`` where a framework's retries decide.
        script: scripts the stub before each run.
        stops_early: the original gives up at its first error; what had been sent ahead by
            then is wasted, so the accelerated run may send more of its requests, but none fewer.
        proven: wait, once accelerated, until the server is known to stream what it would reply.
        learned: what runs ahead is learned of calls before those that are compared.
        frugal: nothing that is computed ahead is left unused.
        only_result: names of the entries where the first failure leaves it to chance what else
            happens; their results alone are compared.
        real: needs a real engine other than the small models.
    """

    name: str
    build: Callable[[Env], Any]
    queries: Sequence[Any] = ("What grows in the north?", "Who keeps the ledger?")
    entries: Sequence[str] = ("query", "aquery")
    runtime: Mapping[str, Any] = field(default_factory=dict)
    ahead: Sequence[str] = ()
    requests: int | None = None
    script: Callable[[StubOpenAI], object] | None = None
    stops_early: bool = False
    proven: bool = False
    learned: bool = False
    frugal: bool = False
    only_result: Sequence[str] = ()
    real: bool = False


def parameters(
    framework: Framework, rows: Sequence[Case], *, concurrent: bool
) -> list[ParameterSet]:
    """Each row with each of its entries that is awaited, or that is not."""
    return [
        pytest.param(
            case, entry, id=f"{case.name}-{entry}", marks=[pytest.mark.real] if case.real else []
        )
        for case in rows
        for entry in case.entries
        if framework.entries[entry].concurrent is concurrent
    ]
