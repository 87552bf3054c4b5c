"""`ayo-bridge run` without the reader of command lines: it understands what that would."""

import subprocess
import sys
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from ayo_bridge.autorun import launch
from ayo_bridge.cli import app
from ayo_bridge.cli.quick import run_at_once

AT_ONCE = (
    ["app.py"],
    ["app.py", "--explain", "--", "-m"],
    ["--stats", "--no-learn", "--top", "app.py"],
    ["--explain", "-m", "package", "--stats"],
    ["-mpackage"],
    ["--timeline", "calls.html", "--log", "info", "--verify", "0.01", "--", "uvicorn", "app:app"],
)
LEFT: tuple[list[str], ...] = (
    *([], ["--help"], ["--"], ["-c", "pass"], ["--stats"], ["--log"]),
    *(["--timeline", "calls.txt", "app.py"], ["--log", "loud", "app.py"]),
    *(["--verify", "2", "app.py"], ["--verify", "much", "app.py"]),
    ["--timeline=calls.html", "app.py"],
)
Launched = list[tuple[Sequence[str], dict[str, str], bool]]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    seen: Launched = []

    def note(program: Sequence[str], told: dict[str, str], *, as_command: bool) -> None:
        seen.append(([*program], told, as_command))

    monkeypatch.setattr(launch, "launch", note)
    return seen


@pytest.mark.parametrize("args", AT_ONCE, ids=" ".join)
def test_what_needs_no_word_is_launched_as_the_other_would(
    args: list[str], launched: Launched
) -> None:
    run_at_once(args)
    assert CliRunner().invoke(app, ["run", *args]).exit_code == 0
    at_once, other = launched
    assert at_once == other


@pytest.mark.parametrize("args", LEFT, ids=" ".join)
def test_the_rest_is_left_to_the_other(args: list[str], launched: Launched) -> None:
    run_at_once(args)
    assert launched == []


def test_nothing_is_imported_that_reads_command_lines() -> None:
    code = (
        "import os, sys; sys.argv[1:] = ['run', 'app.py']\n"
        "os.execvpe = lambda *_: print({'typer', 'rich', 'click'} & {*sys.modules})\n"
        "from ayo_bridge.autorun import launch; from ayo_bridge.cli import quick\n"
        "quick.run_at_once(sys.argv[2:])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
