"""Runnables whose calls are learned: which of their calls are left to the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_LIMIT: Final = "max_concurrency"
_CONFIGURABLE: Final = "configurable"


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


def apart(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call says of each of its inputs something else: of one tenant and another.

    One call learns by what it asks, not of whom: who used its client first would ask for all.
    """
    given = args[1] if len(args) > 1 else kwargs.get("config")
    if not isinstance(given, list | tuple):
        return False
    said = [config.get(_CONFIGURABLE) for config in given if isinstance(config, Mapping)]
    return any(each != said[0] for each in said)


def alone(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call is left to the original."""
    return limited(args, kwargs) or apart(args, kwargs)
