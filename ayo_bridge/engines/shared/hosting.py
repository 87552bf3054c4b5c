"""What the shared process asks of an engine that it hosts."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.seam import Call


class NotServedError(Exception):
    """What was asked for is not to be had there, and will not be."""


class Hosted(ABC):
    """An engine of the shared process. ``name`` is the one that it is registered under there."""

    name: str

    @abstractmethod
    def call(self, header: Header) -> Call:
        """The call that another process has sent.

        Raises:
            ValueError: it is none.
        """

    @abstractmethod
    def sent(self, call: Call) -> Header:
        """Such a call as it is sent on to another process that hosts the same engine."""
