"""The asynchronous library that an SDK client sees running, and writes into its headers.

A client for asynchronous use sends ``x-stainless-async: async:asyncio`` (openai 1.109 to 3.51, by
sniffio). A request ahead is built wherever there is time: there it has to see the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

T = TypeVar("T")
_SNIFFIO: Final = "sniffio"


def running_library() -> str | None:
    """What runs here, as the SDK sees it; ``None`` where it sees nothing."""
    sniffio = sys.modules.get(_SNIFFIO)
    if sniffio is None:
        return None
    try:
        name: str = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return None
    return name


def seeing(library: str | None, build: Callable[..., T]) -> Callable[..., T]:
    """``build``, called so that the SDK sees this library."""
    sniffio = sys.modules.get(_SNIFFIO)
    if library is None or sniffio is None:
        return build
    seen: ContextVar[str | None] = sniffio.current_async_library_cvar

    def built(*args: Any) -> T:
        token = seen.set(library)
        try:
            return build(*args)
        finally:
            seen.reset(token)

    return built
