"""The errors of ayo-bridge. Each says what happened, where, and what to do."""

from __future__ import annotations


class AyoBridgeError(Exception):
    """Base of every error that ayo-bridge raises itself."""


class GraphError(AyoBridgeError):
    """A primitive graph or module template breaks one of its invariants."""


class NotAccelerableError(AyoBridgeError, TypeError):
    """``accelerate`` was given something no installed adapter knows."""


class EngineUnavailableError(AyoBridgeError):
    """An engine cannot be started or reached; the message says what to install or start."""


class ScopeClosedError(AyoBridgeError):
    """A result was asked of a scope that has ended."""


class UnsupportedVersionWarning(UserWarning):
    """A library is outside the range that was tested; calls pass through unaccelerated."""


class NotAcceleratedWarning(UserWarning):
    """An object was returned as it is; the message says why and what to do."""
