"""httpx, or httpx2 where only that is installed; imported when first needed."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

from ayo_bridge.errors import EngineUnavailableError


@lru_cache(maxsize=1)
def http_library() -> ModuleType:
    """The HTTP library of our own connections.

    Raises:
        EngineUnavailableError: neither is installed.
    """
    for name in ("httpx", "httpx2"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise EngineUnavailableError(
        "an LLM server is reached over httpx or httpx2, and neither is installed: "
        "pip install openai"
    )
