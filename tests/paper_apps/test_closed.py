"""Users who never pause, on the real models of a program's own process; its LLM is emulated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.serving.emulated import EmulatedServer
from benchmarks.apps import closed, real, texts
from benchmarks.apps.__main__ import main
from benchmarks.apps.cases import CASES
from tests.learning_fixtures import leaves_no_garbage

__all__ = ["leaves_no_garbage"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def _threads_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import torch

    for name in ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # So that it is what it was afterwards.
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def forgotten(
    monkeypatch: pytest.MonkeyPatch, leaves_no_garbage: None, _threads_as_before: None
) -> list[str]:
    """An emulated LLM in the place of vLLM, with small documents; what it was told to forget."""
    told: list[str] = []

    class Gauge:
        def __init__(self, server: EmulatedServer) -> None:
            assert server.model_name == "untrained"

        def settled_requests(self) -> int:
            told.append("settled")
            return 0

        def empty_prefix_cache(self) -> None:
            told.append("empty")

    def untrained_server(*, served_name: str, **options: Any) -> EmulatedServer:
        assert options["cores"] == []
        return EmulatedServer("llama-2-7b@1x3090", model=served_name, speed=30, output_tokens=8)

    monkeypatch.setattr("benchmarks.untrained.untrained_server", untrained_server)
    monkeypatch.setattr("examples.demo.engines.ServerGauge", Gauge)
    monkeypatch.setattr(real, "_core", lambda: None)
    monkeypatch.setattr(real, "CHARACTERS", 500)
    for name, value in {"CROWD": 1, "EACH": 1, "COMPARED": 1}.items():
        monkeypatch.setattr(closed, name, value)
    return told


def test_an_app_is_asked_by_several_users_on_real_engines(
    forgotten: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "results.json"
    plan = ["--questions", "2", "--rounds", "1", "--json", str(kept)]
    assert main(["advanced", "--profile", "vLLM", "--users", "2", *plan]) == 0
    found = json.loads(kept.read_text())["vLLM"]["advanced"]["2 users"]
    assert re.fullmatch(
        r"1 of 1 call the same, \d+ requests compared; 4 timed answers the same", found["identity"]
    )
    assert found["errors"] == {"original": 0, "ayo": 0}
    assert found["speed"] == 1.0
    assert found["full"] > 0
    assert forgotten == ["settled", "empty"] * (1 + 2 + 1 + 2)
    shown = capsys.readouterr().out
    assert "real engines on cores, users who never pause" in shown
    assert "emulated" not in shown


def test_parts_of_documents_are_as_long_as_wanted_and_none_is_asked_twice() -> None:
    found = texts.parts(40, 3000)
    assert len({each["question"] for each in found}) == 40
    assert len({each["document"] for each in found}) == 40
    assert {len(each["document"]) for each in found} == {3000}
    assert texts.parts(1, 3000)[0] == texts.asked(1)[0] | {"document": found[0]["document"]}
    assert len(CASES["naive"].sessions(20, 100)) == 20
