"""The paper's apps as programs: as they are, as modules, tuned, accelerated: one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from ayo_bridge import explain, stats
from benchmarks.apps import advanced, contextual, emulation, naive, search
from benchmarks.apps.cases import CASES, OURS, TUNED
from benchmarks.apps.settings import Settings
from tests.adapters.python.programs import asks_before_it_stores
from tests.deadline import eventually
from tests.learning_fixtures import leaves_no_garbage

__all__ = ["leaves_no_garbage"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CHARACTERS = 5000
"""Of a document: six passages and a few."""
LEARNS = {"search", "naive", "advanced"}
"""Contextual retrieval runs ahead by its structure."""
MODULES = {each.__name__.rpartition(".")[2]: each for each in (search, naive, advanced, contextual)}


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage(leaves_no_garbage: None) -> None:
    """LlamaIndex leaves asynchronous clients behind in loops that have ended."""


@pytest.fixture(autouse=True)
def _has_a_loop() -> Iterator[None]:
    """As a script's main thread has one: where another test has taken it away, LlamaIndex makes one
    for each run, and a client that was used on the last fails."""
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with emulation.engines("llama-2-7b@1x3090", speed=6) as made:
        yield made


def short(name: str, count: int) -> list[dict[str, str]]:
    """What an app is asked, its documents cut."""
    return [
        {key: text[:CHARACTERS] for key, text in given.items()}
        for (given,) in CASES[name].sessions(count)
        if isinstance(given, dict)
    ]


@pytest.mark.parametrize("name", list(MODULES))
def test_all_forms_of_an_app_give_one_answer_and_something_is_ahead(
    name: str, settings: Settings
) -> None:
    case, module = CASES[name], MODULES[name]
    loaded = case.loaded(settings)
    _, ours, tuned = case.arms(settings)
    assert (ours.name, tuned.name) == (OURS, TUNED)
    made = ours.make(loaded, 8)
    try:
        *first, last = short(name, 5)
        answers = [made.obj(**given) for given in first]
        if name in LEARNS:
            eventually(lambda: "learned from" in explain(made.obj).full(), "the end of learning")
        expected = loaded.obj(**last)
        assert made.obj(**last) == expected
        assert stats(made.obj).hits > 0, explain(made.obj).full()
        assert name != "advanced" or asks_before_it_stores(made.obj)
        assert len({*answers, expected}) == 5
    finally:
        made.close()
    assert module.chain(settings).run(**last) == expected
    assert asyncio.run(tuned.make(loaded, 1).obj(**last)) == expected


def test_an_endpoint_answers_several_at_once_as_the_program_does_accelerated_too(
    settings: Settings,
) -> None:
    case = CASES["contextual"]
    asked = short("contextual", 2)
    expected = [case.loaded(settings).obj(**given) for given in asked]
    loaded = case.served(settings)
    made = case.arms(settings)[1].make(loaded, 8)

    async def both() -> list[list[str]]:
        programs = (loaded.obj, made.obj)
        return [await asyncio.gather(*(each(**given) for given in asked)) for each in programs]

    try:
        assert asyncio.run(both()) == [expected, expected]
        assert stats(made.obj).hits > 0, explain(made.obj).full()
    finally:
        made.close()


def test_each_part_of_a_search_answers_as_briefly_as_it_is_to(settings: Settings) -> None:
    parts = search.models(settings)
    said = [llm.complete("Why is the sky blue?").raw.usage.completion_tokens for llm in parts]
    assert said == [search.DRAFT_TOKENS, search.VERDICT_TOKENS, search.ANSWER_TOKENS]
