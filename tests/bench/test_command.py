"""The command over the stub server: a verdict first, files, and an exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge.bench import page
from tests import loaded_app
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
APP = (
    loaded_app.APP
    + """

class Bot:
    pass


bot = Bot()


class Assistant:
    def __call__(self, query):
        return answer(query)


assistant = Assistant()
"""
)
WITH_ARMS = (
    APP
    + """
from ayo_bridge.bench import Arm, Made

arms = [Arm("mine", lambda loaded, calls: Made(answer))]
"""
)
TOPICS = ("rivers", "tides", "glaciers", "deserts", "volcanoes", "forests")


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.005) as server:
        yield server


@pytest.fixture
def program(stub: StubOpenAI, tmp_path: Path) -> Iterator[Path]:
    with loaded_app.program_in(tmp_path, stub, APP) as path:
        yield path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return loaded_app.questions_in(tmp_path, TOPICS)


def run(*args: object) -> tuple[int, str, str]:
    return loaded_app.run("bench", *args)


def test_a_function_is_measured_and_compared(
    program: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: "")
    file, html = tmp_path / "out.json", tmp_path / "out.html"
    options = ["--questions", questions, "--rounds", 1, "--concurrency", "1,2", "--trace"]
    trace = tmp_path / "trace.txt"
    trace.write_text("0\n0.01\n0.05\n")
    status, said, told = run(f"{program}:answer", *options, trace, "--json", file, "--page", html)
    assert status == 0, said
    found = json.loads(file.read_text())
    assert found["verdict"] + "." == " ".join(said.partition(".\n6 of 6 calls")[0].split()) + "."
    assert "6 of 6 calls the same" in found["identity"]["line"]
    assert [each["load"] for each in found["loads"]] == ["1 user", "2 users", "trace.txt"]
    assert [arm["calls"] for arm in found["loads"][0]["arms"]] == [6, 6]
    assert max(map(len, said.splitlines())) <= 80
    text = html.read_text()
    assert "Times as fast as the original" in text
    assert found["verdict"][:4] in text
    assert "comparing answers and requests: 6 of 6" in told


def test_an_object_that_is_called_is_measured(
    program: Path, questions: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    options = ["--questions", questions, "--rounds", 1, "--json", file]
    status, said, _ = run(f"{program}:assistant", *options)
    assert status == 0, said
    found = json.loads(file.read_text())
    assert "6 of 6 calls the same" in found["identity"]["line"]
    assert "Assistant" in json.dumps(found)


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("app.py", [], "name the object as app.py:engine or package.module:name, not"),
        ("app.py:bot", [], "bot is a Bot, which no adapter knows"),
        ("app.py:answer", ["--concurrency", "many"], "--concurrency is a list of whole numbers"),
        ("app.py:answer", ["--rate", "0"], "--rate is a list of positive numbers"),
        (
            "app.py:answer",
            ["--rate", "1", "--duration", "-1"],
            "a rate and a duration are positive",
        ),
        ("app.py:answer", ["--trace", "none.txt"], "the arrivals in none.txt cannot be read"),
        ("app.py:answer", ["--json", "no/such/out.json"], "no/such/out.json cannot be written"),
        ("app.py:answer", ["--entry", "ask"], "answer is a function: it has no --entry"),
        ("app.py:assistant", ["--entry", "ask"], "name a method of it as assistant.method"),
        ("app.py:answer", ["--arms", "ayo"], "--arms names two at least, of original, ayo"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    target: str, options: list[str], sentence: str, program: Path, questions: Path
) -> None:
    status, said, told = run(program.parent / target, "--questions", questions, *options)
    assert (status, said) == (2, "")
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_the_applications_module_offers_further_arms(
    program: Path, stub: StubOpenAI, questions: Path, tmp_path: Path
) -> None:
    program.write_text(WITH_ARMS.format(url=stub.base_url))
    file = tmp_path / "out.json"
    options = ["--questions", questions, "--rounds", 1, "--warm-up", 0, "--json", file]
    status, said, _ = run(f"{program}:answer", *options, "--arms", "original,mine")
    assert status == 0, said
    (load,) = json.loads(file.read_text())["loads"]
    assert [arm["arm"] for arm in load["arms"]] == ["original", "mine"]
    status, _, told = run(f"{program}:answer", *options, "--arms", "original,yours,ayo")
    assert (status, told) == (
        2,
        "BenchError: no arm is called yours: there are mine, original, ayo\n",
    )


def test_what_a_module_has_by_that_name_matters_only_to_who_asks_for_it(
    program: Path, stub: StubOpenAI, questions: Path
) -> None:
    program.write_text(APP.format(url=stub.base_url) + "\n\narms = ['left', 'right']\n")
    options = ["--questions", questions, "--rounds", 1, "--warm-up", 0]
    assert run(f"{program}:answer", *options)[0] == 0
    status, _, told = run(f"{program}:answer", *options, "--arms", "original,mine")
    assert status == 2
    assert told.endswith("is to be a list of ayo_bridge.bench.Arm\n")


def test_what_its_module_cannot_make_is_one_sentence(program: Path, questions: Path) -> None:
    program.write_text(
        "def __getattr__(name):\n"
        "    raise ConnectionError('no server') if name == 'engine' else AttributeError(name)\n"
    )
    status, _, told = run(f"{program}:engine", "--questions", questions)
    assert status == 2
    assert "could not make engine: ConnectionError: no server" in " ".join(told.split())


def test_without_the_extra_it_says_so_and_measures_all_the_same(
    program: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "_NEEDED", ("nothing_of_that_name",))
    options = ["--questions", questions, "--rounds", 1, "--warm-up", 0]
    status, said, told = run(f"{program}:answer", *options, "--page", tmp_path / "out.html")
    assert status == 0
    assert "1 round at 1 user" in said
    assert told.splitlines()[0] == (
        "--page needs nothing_of_that_name: pip install 'ayo-bridge[bench]'; the table and --json "
        "do without"
    )
    assert not (tmp_path / "out.html").exists()
