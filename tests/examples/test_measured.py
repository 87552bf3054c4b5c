"""The applications to measure: made when they are asked for, and asked as their questions are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ayo_bridge.bench.sessions import read_sessions
from examples import measured
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
QUESTIONS = Path(measured.__file__).with_name("questions.txt")


def test_the_function_asks_for_three_views_and_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with StubOpenAI(latency=0.0) as stub:
        monkeypatch.setenv("OPENAI_BASE_URL", stub.base_url)
        measured._client.cache_clear()
        ((question,), *_) = read_sessions(QUESTIONS)
        assert isinstance(question, str)
        assert measured.report(question)
        assert len(stub.calls) == 4
    measured._client.cache_clear()


def test_there_is_enough_to_learn_from_and_to_search() -> None:
    assert len(read_sessions(QUESTIONS)) >= 12
    assert len(measured.texts()) > 40
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = measured.nothing
