"""What a result of the GPU benchmark says of itself, and what is brought to such a machine."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from ayo_bridge.serving.emulated import EmulatedServer
from benchmarks.gpu import __main__, measured, server
from benchmarks.gpu.label import Label, card, cards, engine_at
from benchmarks.gpu.wheels import NAMES, slim


def smi(*, computing: bool) -> object:
    def run(arguments: list[str]) -> str:
        if any(each.startswith("--query-compute-apps") for each in arguments):
            return "GPU-1\n" if computing else ""
        if "--query-gpu=name" in arguments:
            return "NVIDIA H200\nNVIDIA H200\n"
        assert "--id=GPU-1" in arguments
        return "NVIDIA H200, 143771 MiB, 580.1\n"

    return run


def test_a_card_is_named_only_while_something_computes_on_it() -> None:
    found = card(smi(computing=True))  # type: ignore[arg-type]
    assert str(Label("vLLM 0.32.0", found, "bfloat16")) == (
        "vLLM 0.32.0, bfloat16; NVIDIA H200, 143771 MiB, driver 580.1"
    )
    idle = smi(computing=False)
    assert card(idle) is None  # type: ignore[arg-type]
    assert cards(idle) == ["NVIDIA H200", "NVIDIA H200"]  # type: ignore[arg-type]
    assert str(Label("vLLM 0.32.0", None)) == "vLLM 0.32.0; no GPU"


def test_without_a_driver_there_is_no_card() -> None:
    def fails(arguments: list[str]) -> str:
        raise subprocess.CalledProcessError(9, arguments)

    assert card(fails) is None
    assert cards(fails) == []


def test_an_emulated_server_says_so_and_no_gpu_is_claimed_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def claims() -> object:
        return card(smi(computing=True))  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "card", claims)
    with EmulatedServer("llama-2-7b@1x3090", speed=100) as sim:
        assert engine_at(sim.url) == "emulated"
        assert measured.served(sim.url) == sim.model_name
        assert measured.main(["--server", sim.url, "--require-gpu"]) == 3
    assert "emulated; no GPU" in capsys.readouterr().err


def test_all_steps_end_at_once_where_there_is_no_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "cards", list)
    assert __main__.main([]) == 3
    assert "there is no GPU here" in capsys.readouterr().err


def test_the_engine_that_is_not_used_is_taken_out_of_its_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "lmdeploy-1-cp312-cp312-manylinux_2_28_x86_64.whl"
    used = ("lmdeploy/pytorch/engine.py", "lmdeploy/turbomind/turbomind.py")
    unused = ("lmdeploy/turbomind/_turbomind.so", "lmdeploy/turbomind/lib64/libxgrammar.a")
    record = "lmdeploy-1.dist-info/RECORD"
    with zipfile.ZipFile(wheel, "w") as made:
        for name in (*used, *unused):
            made.writestr(name, name)
        made.writestr(record, "".join(f"{name},,\n" for name in (*used, *unused)))
    slim(wheel)
    with zipfile.ZipFile(wheel) as found:
        assert sorted(found.namelist()) == sorted([*used, record])
        assert found.read(record).decode() == "".join(f"{name},,\n" for name in used)


def test_every_wheel_has_its_version() -> None:
    lines = [line for line in NAMES.read_text().splitlines() if line and line[0] != "#"]
    assert all("==" in line for line in lines)


def test_what_cannot_be_imported_is_named() -> None:
    env = server.environment(None)
    (why,) = server.lacking(env, ("json", "nothing_of_that_name"))
    assert why.startswith("nothing_of_that_name: ModuleNotFoundError")
