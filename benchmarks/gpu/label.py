"""By which engine, and on which card, a result was made. Without a card none is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import URLError

_QUERY: Final = "--query-gpu=name,memory.total,driver_version"
_FORMAT: Final = "--format=csv,noheader"
NO_CARD: Final = "no GPU"
Run = Callable[[list[str]], str]


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its driver names it."""

    name: str
    memory: str
    driver: str

    def __str__(self) -> str:
        """``NVIDIA H200, 143771 MiB, driver 580.1``."""
        return f"{self.name}, {self.memory}, driver {self.driver}"


@dataclass(frozen=True, slots=True)
class Label:
    """What a result says of itself. ``card`` is None where no GPU served it for certain."""

    engine: str
    card: Card | None
    dtype: str = ""

    def __str__(self) -> str:
        """``lmdeploy 0.18.0 (PyTorch engine), bfloat16; NVIDIA H200, ...``."""
        kind = f", {self.dtype}" if self.dtype else ""
        return f"{self.engine}{kind}; {self.card or NO_CARD}"


def cards(run: Run | None = None) -> list[str]:
    """The GPUs of this machine by name, whether or not anything computes on them."""
    try:
        said = (run or _nvidia_smi)(["--query-gpu=name", _FORMAT])
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in said.splitlines() if line.strip()]


def card(run: Run | None = None) -> Card | None:
    """The first GPU on which a program computes at this moment; None: there is none.

    That there is a card says nothing: a server may run beside it, on the CPU.
    """
    ask = run or _nvidia_smi
    try:
        computing = ask(["--query-compute-apps=gpu_uuid", _FORMAT]).split()
        if not computing:
            return None
        said = ask([_QUERY, _FORMAT, f"--id={computing[0]}"])
    except (OSError, subprocess.SubprocessError):
        return None
    fields = [each.strip() for each in said.splitlines()[0].split(",")] if said.strip() else []
    return Card(*fields) if len(fields) == 3 else None


def _nvidia_smi(arguments: list[str]) -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        raise OSError("there is no nvidia-smi")
    done = subprocess.run(
        [program, *arguments], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout


def engine_at(url: str) -> str:
    """What serves at a URL ending in ``/v1``, as far as it says so itself."""
    root = url.removesuffix("/").removesuffix("/v1")
    said = _json(f"{root}/version")
    models = _json(f"{root}/v1/models").get("data") or [{}]
    owner = str(models[0].get("owned_by", ""))
    if "emulated" in f"{owner} {said}":
        return "emulated"
    if owner == "vllm" and "version" in said:
        return f"vLLM {said['version']}"
    return f"an OpenAI-compatible server ({owner or 'unnamed'})"


def _json(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            found = json.loads(reply.read())
    except (URLError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


__all__ = ["NO_CARD", "Card", "Label", "card", "cards", "engine_at"]
