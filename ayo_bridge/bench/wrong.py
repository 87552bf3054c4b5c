"""What cannot be measured."""

from __future__ import annotations

from ayo_bridge.errors import AyoBridgeError


class BenchError(AyoBridgeError):
    """There is nothing to measure: an option, a file or the object is wrong; the message says how
    to put it right."""
