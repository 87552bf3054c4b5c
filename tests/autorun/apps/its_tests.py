"""The tests of an application."""

import os

import book  # type: ignore[import-not-found]
import pytest


@pytest.fixture(scope="module")
def engine() -> object:
    return book.engine(os.environ["LLM_URL"])


@pytest.mark.parametrize("question", ["one", "two"])
def test_it_answers(engine, question: str, capsys) -> None:  # type: ignore[no-untyped-def]
    answer = str(engine.query(question))
    assert answer.startswith("Response 1: ")
    with capsys.disabled():
        print(answer)


def test_an_assertion_that_fails_is_shown(engine) -> None:  # type: ignore[no-untyped-def]
    assert str(engine.query("three")) == "something else"
