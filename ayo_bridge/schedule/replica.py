"""One of the servers between which requests are routed: what it has to do, and how it fares."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ayo_bridge.schedule.prefixes import Chain, Known
from ayo_bridge.seam import Foreseen


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a router wants to know of a request.

    ``tokens`` is about how long its prompt is; ``output`` is the most that it may write, 0 where it
    does not say. ``warm``: it only prefills what others will begin with. ``foreseen``: what its
    graph says of it. ``caller``: for whom it is made; ``None``: that does not matter.
    """

    chain: Chain = ()
    tokens: float = 0.0
    output: int = 0
    warm: bool = False
    foreseen: Foreseen | None = None
    caller: Hashable = None


@dataclass(slots=True, eq=False)
class Sent:
    """A request on its way. ``known`` is what its replica should have of its prompt."""

    replica: int
    prompt: Prompt
    known: Known
    began: float
    before: float
    """Tokens to prefill until its first one comes: its own, and those that stood before them."""
    others: int
    """Sequences that were there before it."""


class Replica:
    """What is known of one replica. Not thread-safe."""

    __slots__ = (
        "answered",
        "back",
        "down",
        "failed",
        "failures",
        "foreign",
        "gone",
        "near",
        "prefilled",
        "rest",
        "sent",
        "silences",
        "silent",
        "until",
    )

    def __init__(self) -> None:
        self.sent: set[Sent] = set()
        self.foreign = 0
        self.prefilled = float("-inf")
        """When all prompts that it has are prefilled."""
        self.until = float("-inf")
        """When it may be sent something again."""
        self.down = 0.0
        """Seconds for which it is left out after its last failure; 0: it has answered since."""
        self.failed = float("-inf")
        """When it has last failed."""
        self.failures = 0
        """In a row, with no request between them that went well."""
        self.rest = float("-inf")
        """Until when it has said that it takes nothing."""
        self.back = float("-inf")
        """When it has answered again, after it had failed."""
        self.near = False
        """Whether its last failure came at once: who asks it again loses no time."""
        self.gone = False
        """Whether it is no longer one of them."""
        self.answered = float("-inf")
        """When a request has last ended well there."""
        self.silences = 0
        """Requests given up in a row that it has let wait for too long."""
        self.silent = float("-inf")
        """When the first of them was sent."""

    @property
    def sequences(self) -> int:
        """Requests on their way there, those of others among them."""
        return len(self.sent) + self.foreign

    @property
    def waits(self) -> float:
        """Until when it is left out."""
        return max(self.until, self.rest)

    def well(self, began: float, now: float) -> None:
        """A request has ended well that was sent at ``began``.

        One that was sent before a failure is no sign that the replica is well again.
        """
        self.answered, self.silences = now, 0
        if began >= max(self.failed, self.back):
            self.down, self.failures, self.until = 0.0, 0, min(self.until, now)

    def answers(self, now: float) -> bool:
        """Whether it has not failed, and does not rest."""
        return not self.down and now >= self.rest


__all__ = ["Prompt", "Replica", "Sent"]
