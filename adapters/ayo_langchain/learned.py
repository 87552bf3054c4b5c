"""Runnables whose calls are learned: which of them are left to the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_LIMIT: Final = "max_concurrency"


def limited(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call says, or the one around it has said, how much may run at once.

    Calls made ahead would come on top of that.
    """
    from langchain_core.runnables.config import var_child_runnable_config

    given = args[1] if len(args) > 1 else kwargs.get("config")
    configs = given if isinstance(given, list | tuple) else (given,)
    around = var_child_runnable_config.get()
    return any(
        isinstance(config, Mapping) and config.get(_LIMIT) is not None
        for config in (*configs, around)
    )
