"""Make LLM applications fast end to end without rewriting them."""

from __future__ import annotations

TYPE_CHECKING = False  # Importing typing takes half as long as starting an interpreter.
if TYPE_CHECKING:
    from typing import Any

    from ayo_bridge.api import accelerate, explain, stats, timeline
    from ayo_bridge.engines.declared_models import Embedding, Reranker
    from ayo_bridge.engines.shared.place import SharedProcess
    from ayo_bridge.engines.shared.ray_reach import RayActor
    from ayo_bridge.runtime import Runtime, default_runtime
    from ayo_bridge.seam import Answer, Dialect, EngineKind, FoundItem

__all__ = [
    "Answer",
    "Dialect",
    "Embedding",
    "EngineKind",
    "FoundItem",
    "RayActor",
    "Reranker",
    "Runtime",
    "SharedProcess",
    "accelerate",
    "default_runtime",
    "explain",
    "stats",
    "timeline",
]
_HOMES = {"Runtime": "runtime", "default_runtime": "runtime"}
_HOMES |= dict.fromkeys(("Embedding", "Reranker"), "engines.declared_models")
_HOMES |= {"SharedProcess": "engines.shared.place", "RayActor": "engines.shared.ray_reach"}
_HOMES |= dict.fromkeys(("Answer", "Dialect", "EngineKind", "FoundItem"), "seam")
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for: interpreters that only wait for a framework start at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"ayo_bridge.{_HOMES.get(name, 'api')}")
    found = globals()[name] = getattr(module, name)
    return found


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext ayo_bridge``: accelerate what this notebook calls of frameworks."""
    from ayo_bridge.autorun import start

    start.install()


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext ayo_bridge``: put everything back."""
    from ayo_bridge.autorun import start

    start.uninstall()


def __dir__() -> list[str]:
    return [*globals(), *__all__]
