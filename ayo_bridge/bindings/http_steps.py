"""What one request of the original needs done, step by step, whether its client blocks or not."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ayo_bridge.bindings.http_replies import Player
from ayo_bridge.seam import Ticket


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for what was computed ahead; answered by a hit or nothing, or by a time-out."""

    ticket: Ticket
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """Send the request; answered by its response, or by what is raised."""


@dataclass(frozen=True, slots=True)
class Again:
    """Give a response back unread, and wait for one more place at the server."""

    response: Any
    completion: Future[None] | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Replay:
    """Make a response of a reply that was recorded ahead; answered by it."""

    player: Player


Step = Await | Request | Again | Replay
Steps = Generator[Step, Any, Any]


__all__ = ["Again", "Await", "Replay", "Request", "Step", "Steps"]
