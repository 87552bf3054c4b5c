"""A few random compositions; ``python -m tests.compositions`` compares thousands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from tests.compositions.algebra import (
    Answer,
    Apart,
    Ask,
    Beside,
    Check,
    Compute,
    Each,
    Fails,
    Failure,
    Fields,
    Glue,
    Judged,
    Kept,
    Persist,
    Raises,
    Rescue,
    Route,
    Search,
    Streamed,
    Then,
)
from tests.compositions.compare import WORLDS, Comparing, comparing
from tests.compositions.drawing import SMALL_TREES, Example
from tests.compositions.engines import Engines, running_engines
from tests.compositions.searching import smallest_difference
from tests.differential.llama_index import collect_garbage

# Clients that all examples share are left to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
INDEPENDENT = Apart((Ask(0), Then((Ask(1), Ask(2))), Search(2)))
QUESTIONS = tuple(f"What of {word}? ({number})" for number, word in enumerate("abcdefg"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with running_engines() as made:
        yield made
    collect_garbage()


@pytest.fixture(params=sorted(WORLDS))
def compared(
    request: pytest.FixtureRequest, engines: Engines, tmp_path: Path
) -> Iterator[Comparing]:
    with comparing(request.param, engines, tmp_path) as made:
        yield made


def test_random_compositions_do_not_differ(compared: Comparing) -> None:
    assert smallest_difference(compared, seed=3, count=6, trees=SMALL_TREES) is None
    assert compared.seen.examples >= 6


def test_calls_that_need_nothing_of_each_other_are_learned_and_do_not_differ(
    compared: Comparing,
) -> None:
    entry = compared.world.entries[0]
    assert compared.difference(Example(INDEPENDENT, entry, QUESTIONS)) is None
    assert compared.seen.hits


LEAVES_TASKS = Beside(
    (
        Then((Compute(Glue.UPPER), Raises(Check.EVEN))),
        Each(Then((Answer(1, 3), Raises(Check.LONG)))),
    )
)


def test_what_runs_on_after_an_error_does_not_differ(compared: Comparing) -> None:
    """``gather`` leaves the others running, and which of two errors comes first is chance."""
    entries = compared.world.framework.entries
    entry = next(name for name in entries if entries[name].concurrent)
    assert compared.difference(Example(LEAVES_TASKS, entry, QUESTIONS)) is None
    assert compared.seen.raised


@pytest.mark.parametrize("how", [Failure.REFUSED, Failure.CUT])
def test_a_server_that_fails_after_much_is_learned_does_not_differ(
    compared: Comparing, how: Failure
) -> None:
    asks = Then((Ask(1), Fails(2, how), Fails(3, how)))
    tree = Apart((Ask(0), Rescue(Fails(4, how), Ask(2)), asks))
    entry = compared.world.entries[0]
    assert compared.difference(Example(tree, entry, QUESTIONS, sound=4)) is None
    assert compared.seen.raised


def test_answers_that_decide_streams_and_mappings_do_not_differ(compared: Comparing) -> None:
    judged = Judged(0, Check.AMBER, Ask(1), Kept(Streamed(2)))
    routed = Route(Check.EVEN, Ask(1), judged)
    tree = Fields(Apart((judged, Persist(3, Check.AMBER, Ask(4), 2), routed)))
    entry = compared.world.entries[0]
    assert compared.difference(Example(tree, entry, QUESTIONS)) is None
    assert not compared.seen.raised


def test_a_difference_is_found(compared: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is not blind: where the arms are asked different things it says so."""
    entry = compared.world.entries[0]

    def of_another(obj: Any, *, runtime: Runtime) -> Any:
        return accelerate(compared.world.build(Ask(1), compared.engines, entry), runtime=runtime)

    monkeypatch.setattr("tests.compositions.compare.accelerate", of_another)
    found = compared.difference(Example(Ask(0), entry, QUESTIONS))
    assert found is not None
    assert found.startswith("question 0: result")
