"""The command: a verdict first, both sides of what differs, and an exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge.verify import VerifyError, read_questions
from tests import loaded_app
from tests.stub_openai import StubOpenAI
from tests.verify.planted import WRONG, wrong_template

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
APP = (
    loaded_app.APP
    + """

def fails(query):
    raise LookupError(query)


class Bot:
    pass


bot = Bot()


class Assistant:
    def __call__(self, query):
        return answer(query)

    def again(self, query, mark=""):
        return answer(query) + mark


assistant = Assistant()
"""
)
ACCELERATED = """
import functools

from ayo_bridge import accelerate

fast = accelerate(assistant)
method = accelerate(assistant.again)
part = accelerate(functools.partial(assistant.again, mark="!"))
"""
TOPICS = ("rivers", "tides", "glaciers", "deserts", "volcanoes", "forests", "reefs", "clouds")


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


@pytest.fixture
def program(stub: StubOpenAI, tmp_path: Path) -> Iterator[Path]:
    with loaded_app.program_in(tmp_path, stub, APP) as path:
        yield path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return loaded_app.questions_in(tmp_path, TOPICS, "\n\n")


def run(*args: object) -> tuple[int, str, str]:
    return loaded_app.run("verify", *args)


def test_a_function_that_is_learned_answers_the_same(program: Path, questions: Path) -> None:
    status, said, told = run(f"{program}:answer", "--questions", questions)
    assert status == 0
    assert said.splitlines()[0] == "8 of 8 calls the same."
    served = int(said.splitlines()[1].split(": ")[1].split()[0])
    assert served >= 8, said
    assert "comparing: 8 of 8" in told


@pytest.mark.parametrize("name", ["assistant", "fast", "method", "part"])
def test_an_object_that_is_called_and_what_the_program_has_accelerated_is_compared(
    name: str, program: Path, questions: Path
) -> None:
    with program.open("a") as file:
        file.write(ACCELERATED)
    status, said, _ = run(f"{program}:{name}", "--questions", questions)
    assert (status, said.splitlines()[0]) == (0, "8 of 8 calls the same.")
    served = int(said.splitlines()[1].split(": ")[1].split()[0])
    assert served >= 8, said


def test_a_wrong_template_is_shown_with_both_sides(
    program: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_template(monkeypatch)
    status, said, _ = run(f"{program}:answer", "--questions", questions, "--json")
    found = json.loads(said)
    assert status == 1
    assert found["counts"]["differs"] >= 1
    (first, *_) = [call for call in found["calls"] if call["outcome"] == "differs"]
    assert WRONG in first["accelerated"]
    assert "List the" in first["original"]


def test_an_engine_that_samples_is_compared_by_request(
    program: Path, questions: Path, stub: StubOpenAI
) -> None:
    drawn = iter(range(1000))
    stub.text = lambda body: f"answer {next(drawn)}"
    status, said, _ = run(f"{program}:answer", "--questions", questions, "--calls", 3)
    assert status == 0, said
    assert said.splitlines()[0].startswith("3 of 3 calls the same; 3 of them by request")


def test_calls_that_raise_are_not_verified(program: Path, questions: Path) -> None:
    status, said, _ = run(f"{program}:fails", "--questions", questions, "--calls", 2, "--learn", 0)
    assert status == 0
    assert said.startswith("0 of 0 calls the same; 2 not verified: it raised LookupError: ")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("app.py", "name the object as app.py:engine or package.module:name, not"),
        ("missing.py:engine", "there is no file"),
        ("app.py:nothing", "has no nothing"),
        ("app.py:bot", "bot is a Bot, which no adapter knows"),
    ],
)
def test_a_bad_target_is_one_sentence(
    target: str, sentence: str, program: Path, questions: Path
) -> None:
    status, said, told = run(program.parent / target, "--questions", questions)
    assert (status, said) == (2, "")
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_what_does_not_fit_or_ends_its_process_is_one_sentence(
    program: Path, tmp_path: Path
) -> None:
    (tmp_path / "asked.jsonl").write_text('{"query": "a", "id": 7}')
    status, said, told = run(f"{program}:answer", "--questions", tmp_path / "asked.jsonl")
    assert (status, said) == (2, "")
    assert "does not take the inputs query, id" in told
    program.write_text("raise SystemExit(0)")
    status, said, told = run(f"{program}:answer", "--questions", tmp_path / "asked.jsonl")
    assert (status, said) == (2, "")
    assert "ends when it is imported (exit status 0)" in told


def test_lines_are_those_of_the_file_system(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    lines = ['{"query": "a\u2028b"}', "page\x0cbreak", ""]
    file.write_text("\ufeff" + "\r\n".join(lines), "utf-8", newline="")
    assert read_questions(file) == [{"query": "a\u2028b"}, "page\x0cbreak"]
    file.write_text('{"query": ' + "[" * 100_000)
    with pytest.raises(VerifyError, match="is no JSON: it is nested too deeply"):
        read_questions(file)


def test_an_empty_file_is_one_sentence_before_anything_is_imported(
    program: Path, tmp_path: Path
) -> None:
    (tmp_path / "none.txt").write_text("\n")
    program.write_text("raise SystemExit('imported')")
    status, said, told = run(f"{program}:answer", "--questions", tmp_path / "none.txt")
    assert (status, said) == (2, "")
    assert "holds no question: write one a line" in told
