"""`ayo-bridge serve-sim` lists, refuses, serves and ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ayo_bridge.cli import app
from ayo_bridge.engines.launched import is_launched
from ayo_bridge.profile import LLMProfile, ProfileStore, StepCosts
from ayo_bridge.serving.emulated import EmulatedServer

NAME = "llama-2-7b@1x3090"
STEPS = StepCosts(0.01, 1e-3, 0.0, 0.02, 0.0, 0.0, 320, 32)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a measured profile, in the place where the program looks."""
    monkeypatch.setenv("AYO_PROFILE_DIR", str(tmp_path))
    profile = LLMProfile(0.01, 1e-3, 0.02, None, STEPS)
    return ProfileStore().save("llm:mine@localhost:8000", "local", profile)


def test_profiles_are_listed_with_their_sources(measured: Path) -> None:
    lines = CliRunner().invoke(app, ["serve-sim", "--list"]).output.splitlines()
    first = "prefill of 1000 tokens 254 ms, decode step 20.0 ms, 16704 KV tokens"
    assert lines[0] == f"{NAME}: {first}"
    assert "ASPLOS'25" in lines[1]
    assert sum("scaled from the 7B one" in line for line in lines) == 4
    assert lines[-2].startswith("llm:mine@localhost:8000: ")
    assert lines[-1] == "    measured"


def test_a_measured_profile_is_found_by_name_and_by_file(measured: Path) -> None:
    for named in ("llm:mine@localhost:8000", str(measured)):
        settings = EmulatedServer(named).settings
        assert (settings.costs.decode_base, settings.kv_tokens) == (0.02, 320)
        assert settings.block_size == 32


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name a profile; --list shows them"),
        (["7b"], f"no profile is called '7b' and there is no such file: did you mean {NAME}?"),
        ([NAME, "--speed", "0"], "the speed is a number above 0, not 0.0"),
        ([NAME, "--output-tokens", "many"], "'many' is neither a number nor a range"),
        ([NAME, "--output-tokens", "9-3"], "a range like 64-192, not 9-3"),
        ([NAME, "--kv-blocks", "0"], "kv_blocks is a number from 1 on, not 0"),
        ([NAME, "--max-model-len", "99999"], "more than the KV cache of"),
        (
            [NAME, "--scheduling-policy", "lifo"],
            "no policy is called 'lifo': take priority or fcfs",
        ),
        ([NAME, "--answers", "{folder}/none"], "cannot be read: No such file or directory"),
        ([NAME, "--answers", "{folder}/answers"], "answer 2 in {folder}/answers needs `text`"),
        ([NAME, "--port", "99999"], "a port is a number from 1 to 65535, not 99999"),
        ([NAME, "--host", "192.0.2.1"], "'192.0.2.1' is no address of this machine"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    answers = [{"when": "a", "text": "b"}, {"when": "c", "text": "d", "tokens": 1}]
    (tmp_path / "answers").write_text(json.dumps(answers))
    given = [each.format(folder=tmp_path) for each in arguments]
    result = CliRunner().invoke(app, ["serve-sim", *given], env={"COLUMNS": "300"})
    assert result.exit_code in (1, 2)
    assert sentence.format(folder=tmp_path) in re.sub(r"\s+", " ", result.output)
    assert "Traceback" not in result.output


def test_it_serves_says_that_it_is_emulated_and_ends_in_order() -> None:
    command = [sys.executable, "-c", "from ayo_bridge.cli import main; main()", "serve-sim"]
    command += [NAME, "--speed", "100", "--served-name", "m", "--output-tokens", "5"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        url = program.stdout.readline().strip()
        body = json.dumps({"model": "m", "prompt": "Hello", "max_tokens": 99}).encode()
        with urllib.request.urlopen(f"{url}/completions", body, timeout=60) as reply:
            assert json.load(reply)["usage"]["completion_tokens"] == 5
        assert is_launched(url)
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0
        said = program.stderr.read()
    assert f"EMULATED {NAME} at 100x: model 'm', 16704 KV tokens" in said
    assert not is_launched(url)
