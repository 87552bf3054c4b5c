"""What a figure holds for: the machine, the versions, the settings."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

_SHOWN: Final = (
    *("ayo-bridge", "llama-index-core", "langchain-core", "langgraph", "openai", "httpx", "httpx2"),
    *("sentence-transformers", "torch", "psycopg"),
)
_MODULES: Final = {
    "ayo-bridge": "ayo_bridge",
    "llama-index-core": "llama_index.core",
    "langchain-core": "langchain_core",
    "sentence-transformers": "sentence_transformers",
}
BUSY: Final = 0.7
"""Load a core, before it began, from which on a machine is busy."""


def conditions() -> dict[str, Any]:
    """Versions of what the application has imported, cores, threads and variables of ours."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch: Any = sys.modules.get("torch")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores or 1,
        "torch_threads": torch.get_num_threads() if hasattr(torch, "get_num_threads") else None,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": dict(_versions()),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith("AYO_")
        },
    }


def _versions() -> Mapping[str, str]:
    found = {}
    for name in _SHOWN:
        if _MODULES.get(name, name) in sys.modules:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return found


def sentence(known: Mapping[str, Any]) -> str:
    """``CPython 3.11.9, 2 cores, torch with 2 threads; llama-index-core 0.14.25``."""
    threads = known["torch_threads"]
    machine = [f"Python {known['python']}", f"{known['cores']} cores"]
    machine += [f"torch with {threads} threads"] if threads else []
    versions = [f"{name} {version}" for name, version in known["versions"].items()]
    return "; ".join(filter(None, [", ".join(machine), ", ".join(versions)]))


def warning(known: Mapping[str, Any]) -> str:
    """That the machine was busy; empty if it was not."""
    load, cores = known["load"], known["cores"]
    if load is None or load < BUSY * cores:
        return ""
    return f"the machine was busy (load {load:.1f} on {cores} cores): figures may be off"


__all__ = ["conditions", "sentence", "warning"]
