"""Questions and conversations of a file, each with a state of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.bench import Bench, BenchError, Settings
from ayo_bridge.bench.asking import Asker, Timed
from ayo_bridge.bench.loads import Closed
from ayo_bridge.bench.sessions import read_sessions, sessions_of
from ayo_bridge.bench.threads import Threads
from ayo_bridge.lift.entry import Entry
from ayo_bridge.lift.shows import Shows
from ayo_bridge.verify.target import Loaded, known
from tests.bench.made import shouts

FILE = """
What is a heap?
And a queue?

["What is a tree?", "And a graph?"]
What is a set?
"""


def test_a_question_by_itself_is_a_session_and_nothing_is_none() -> None:
    assert sessions_of(["a b", {"query": "c"}, ("d", "e")]) == [
        ("a b",),
        ({"query": "c"},),
        ("d", "e"),
    ]
    for nothing in ([], [()]):
        with pytest.raises(BenchError, match="nothing to ask"):
            sessions_of(nothing)


class Chat:
    """Answers with how often it was asked in this conversation."""

    def __init__(self) -> None:
        self.turns = 0

    def reset(self) -> None:
        self.turns = 0

    def chat(self, message: str) -> str:
        self.turns += 1
        return f"{message} {self.turns}"


class Copying(Shows):
    def apart(self, obj: Any) -> tuple[Any, tuple[object, ...]]:
        return Chat(), ()


class Adapter:
    """As much of an adapter as is asked."""

    def __init__(self, shows: Shows) -> None:
        self.shows = shows


def chat(shows: Shows) -> Loaded:
    adapter: Any = Adapter(shows)
    return Loaded(Chat(), adapter, Entry("chat"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.txt"
    path.write_text(FILE)
    return path


def test_a_line_is_a_question_and_a_block_a_conversation(file: Path) -> None:
    assert read_sessions(file, chat=True) == [
        ("What is a heap?", "And a queue?"),
        ("What is a tree?", "And a graph?"),
        ("What is a set?",),
    ]
    assert len(read_sessions(file)) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("\n\n", "holds no question"), ("[]\n", "is no list of"), ("[1]\n", "is no list of"),
     ("[\n", "is no JSON")],
)  # fmt: skip
def test_what_is_no_conversation_is_one_sentence(text: str, sentence: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(BenchError, match=sentence):
        read_sessions(file, chat=True)


def test_each_conversation_begins_anew_and_goes_on() -> None:
    loaded = chat(Copying())
    told: list[Timed] = []

    async def run() -> None:
        threads = Threads()
        asker = Asker(loaded, threads)
        for number in range(2):
            await asker.ask(loaded.obj, number, ("a", "b"), None, told)
        assert asker.apart(loaded.obj) is not loaded.obj
        threads.close()

    asyncio.run(run())
    assert [(each.session, each.turn, each.answer) for each in told] == [
        (0, 0, ("a 1", ())),
        (0, 1, ("b 2", ())),
        (1, 0, ("a 1", ())),
        (1, 1, ("b 2", ())),
    ]


def test_one_conversation_that_cannot_be_copied_serves_one_user() -> None:
    loaded = chat(Shows())
    assert Bench(loaded, [("a",)], Settings()) is not None
    with pytest.raises(BenchError, match="serves one user"):
        Bench(loaded, [("a",)], replace(Settings(), loads=[Closed(2)]))


def test_what_keeps_no_conversation_is_shared_by_all() -> None:
    loaded = known(shouts, "shouts")
    assert Asker(loaded, Threads()).apart(shouts) is shouts
