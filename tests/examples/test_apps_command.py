"""``python -m examples.apps.run``, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from examples.apps import APPS
from examples.apps.pictures import README, drawn
from examples.apps.run import app
from tests.stub_openai import StubOpenAI

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", APPS)
def test_both_scripts_stand_side_by_side(name: str) -> None:
    said = run(name, "--simulate", "--side-by-side")
    plain, optimised = said.split("The optimised script")
    assert "The plain script runs this graph" in plain
    # The agent is a chain: no pass finds anything worth doing.
    assert ("  dependency-pruning: " in optimised) == (name != "agent")
    assert ("  decoding-pipelining: " in optimised) == (name == "advanced")
    assert "dependency-pruning" not in plain
    assert "all values are the same" in said


@pytest.mark.parametrize("option", ["--plain", "--no-plain"])
def test_one_script_answers(option: str) -> None:
    said = run("naive", "--simulate", option, "--question", "How is a path joined?")
    assert ("plain: " in said) == (option == "--plain")
    assert ("optimised: " in said) == (option == "--no-plain")
    assert "How is a path joined?" in said


def test_graphs_are_drawn_for_mermaid_and_on_a_page(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "advanced.html"
    said = run("advanced", "--simulate", "--side-by-side", "--mermaid", "--html", str(page))
    assert said.count("flowchart TD") == 2
    text = page.read_text()
    assert text.count("<svg") == 3  # Two graphs, and the pattern that marks warms.
    assert 'data-id="rerank.rerank[0]"' in text
    assert "<h2>plain: " in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_an_answer_is_streamed() -> None:
    said = run("naive", "--simulate", "--stream")
    whole = run("naive", "--simulate")
    answer = said.splitlines()[-1]
    assert answer in whole


def test_several_questions_are_asked_at_once() -> None:
    said = run("search", "--simulate", "--queries", "6", "--side-by-side")
    assert said.count("(skipped: web)") in range(1, 6)


def test_a_query_that_is_too_late_ends_with_a_message() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "examples.apps.run", "advanced", "--simulate", "--timeout", "0.01"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "QueryTimeoutError" in ended.stdout
    assert "expand.prefill" in ended.stdout


@pytest.mark.parametrize("name", ["search", "agent"])
def test_a_server_is_asked(name: str) -> None:
    with StubOpenAI(latency=0.0) as stub:
        said = run(name, "--llm-url", stub.base_url, "--no-profiles", "--side-by-side")
        prompts = sorted(call.prompt for call in stub.calls)
    assert "all values are the same" in said
    assert "does not empty its prefix cache" in said
    # Both scripts have made the same calls, and so has a query before them that does not count.
    assert prompts[0::3] == prompts[1::3] == prompts[2::3]
    assert len(prompts) == 3 * {"search": 3, "agent": 2}[name]


def test_an_app_that_is_not_there_is_refused() -> None:
    result = CliRunner().invoke(app, ["nothing", "--simulate"])
    assert result.exit_code == 2
    assert "there is no app" in result.output


def test_the_drawings_of_the_page_are_those_of_the_graphs() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("```mermaid") == 4
    assert text == drawn(text), "draw them again: python -m examples.apps.pictures"
