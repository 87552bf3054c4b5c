"""The program starts quickly, explains itself, and ends what it started."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from ayo_bridge.cli import app
from tests.deadline import eventually
from tests.processes import all_gone, descendants
from tests.serving.stand_in import stand_in_for_vllm

PROGRAM = [sys.executable, "-c", "from ayo_bridge.cli import app; app()"]


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert re.fullmatch(r"ayo-bridge \d+\.\d+\.\d+\S*\n", result.output)


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "ayo_bridge", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("ayo-bridge ")


def test_help_loads_no_engine_library() -> None:
    listing = "import sys, ayo_bridge.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "vllm", "transformers", "openai", "llama_index", "langchain_core"}
    assert heavy.isdisjoint(loaded.stdout.split())


def test_a_missing_model_is_an_error_message_and_not_a_traceback() -> None:
    result = CliRunner().invoke(app, ["serve-llm", "/no/such/model"])
    assert result.exit_code == 1
    assert "/no/such/model" in result.output
    assert "Traceback" not in result.output


@pytest.mark.real
def test_a_served_model_answers_until_it_is_interrupted(tiny_llama: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, "serve-llm", str(tiny_llama), "--dtype", "float32"]
    command += ["--log", str(tmp_path / "log"), "--", "--enforce-eager"]
    environment = {**os.environ, **stand_in_for_vllm(tmp_path / "stand-in")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/models", timeout=60) as response:
            assert json.load(response)["data"][0]["id"] == tiny_llama.name
        tree: list[psutil.Process] = descendants(program.pid)
        assert len(tree) >= 3  # The supervisor, the server and its engine.
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0
        eventually(lambda: all_gone(tree), "the end of the served model")


@pytest.mark.real
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_nothing(
    tiny_llama: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    command = [*PROGRAM, "serve-llm", str(tiny_llama), "--log", str(tmp_path / "log")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
        # The supervisor, and vLLM below it.
        eventually(lambda: len(descendants(program.pid)) >= 2, "the start of vLLM")
        tree: list[psutil.Process] = descendants(program.pid)
        program.send_signal(ending)
        assert program.wait(30) != 0
        eventually(lambda: all_gone(tree), "the end of a server that was starting")
