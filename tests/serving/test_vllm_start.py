"""How long a start of a server may take, with a program in the place of vLLM that never answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ayo_bridge.serving import vllm_arguments
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.vllm_server import VLLMServer
from tests.serving.stand_in import stand_in_for_vllm


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(vllm_arguments, "installed_version", {"vllm": "0.19.1+cpu"}.get)
    monkeypatch.setattr("ayo_bridge.serving.vllm_server.installed_version", {"vllm": "1"}.get)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def never_ready(folder: Path, then: str) -> dict[str, str]:
    """The environment of a program that writes a line of log and does not answer."""
    environment = stand_in_for_vllm(folder)
    line = "(EngineCore pid=7) INFO 11-28 21:46:41 [weights.py:1] Downloading weights"
    program = f"import time\nprint({line!r}, flush=True)\n{then}\n"
    (folder / "vllm" / "entrypoints" / "cli" / "main.py").write_text(program)
    return environment


def test_a_start_that_takes_too_long_is_given_up_and_leaves_nothing(model: Path) -> None:
    slow = never_ready(model / "slow", "time.sleep(600)")
    server = VLLMServer(model, env=slow, start_timeout=0.3)
    with pytest.raises(EngineStartError, match=r"was not ready after \d+ s; the end of"):
        server.start()
    assert server.pid is None
    server.close()


def test_without_a_limit_it_is_waited_for_as_long_as_the_process_lives(model: Path) -> None:
    ending = never_ready(model / "ending", "time.sleep(0.5)\nraise SystemExit(3)")
    said: list[str] = []
    server = VLLMServer(
        model, env=ending, start_timeout=None, on_progress=lambda _, words: said.append(words)
    )
    with pytest.raises(EngineStartError, match="ended with status 3"):
        server.start()
    assert said[-1] == "Downloading weights"
    server.close()
