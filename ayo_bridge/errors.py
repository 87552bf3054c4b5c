"""The errors of ayo-bridge. Each says what happened, where, and what to do."""

from __future__ import annotations

import logging
import warnings
from typing import Final

_logger: Final = logging.getLogger("ayo_bridge")
_logger.addHandler(logging.NullHandler())  # What nobody asked to see goes nowhere.
_quiet = False


class AyoBridgeError(Exception):
    """Base of every error that ayo-bridge raises itself."""


class ArgumentError(AyoBridgeError, ValueError):
    """An argument or setting is of a wrong kind or value; the message says what would do."""


class GraphError(AyoBridgeError):
    """A primitive graph or module template breaks one of its invariants."""


class NotAccelerableError(AyoBridgeError, TypeError):
    """``accelerate`` was given something no installed adapter knows."""


class PrimitiveError(AyoBridgeError):
    """A primitive of a native workflow has failed; ``__cause__`` is what its engine raised.

    ``primitive`` is its id, ``component`` the module it belongs to, ``engine`` is empty for what
    runs on none.
    """

    def __init__(self, primitive: str, component: str, engine: str, reason: str) -> None:
        where = f" on engine {engine!r}" if engine else ""
        super().__init__(f"primitive {primitive!r} of {component!r} failed{where}: {reason}")
        self.primitive = primitive
        self.component = component
        self.engine = engine


class QueryTimeoutError(AyoBridgeError, TimeoutError):
    """A query has not ended in time and was cancelled.

    ``unfinished`` are the ids of the primitives that had been dispatched and had not ended.
    """

    def __init__(self, seconds: float, unfinished: tuple[str, ...]) -> None:
        held = ", ".join(unfinished) or "nothing that runs"
        super().__init__(f"the query has not ended within {seconds:g} s; it waited for {held}")
        self.seconds = seconds
        self.unfinished = unfinished


class EngineUnavailableError(AyoBridgeError):
    """An engine cannot be started or reached; the message says what to install or start."""


class UnsupportedVersionWarning(UserWarning):
    """A library is outside the range that was tested; calls pass through unaccelerated."""


class NotAcceleratedWarning(UserWarning):
    """An object was returned as it is; the message says why and what to do."""


class MissingExtraWarning(UserWarning):
    """The environment asks for what a library that is not installed would do."""


def keep_quiet(wanted: bool) -> None:
    """Whether what concerns the whole process is logged instead of warned of.

    So it is in applications that do not know of us.
    """
    global _quiet
    _quiet = wanted


def announce(text: str, category: type[Warning], stacklevel: int = 2) -> None:
    """Warn of something that concerns the whole process."""
    if _quiet:
        _logger.info("%s", text)
    else:
        warnings.warn(text, category, stacklevel=stacklevel + 1)
