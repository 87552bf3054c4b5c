"""The two scopes of a call that is verified: the accelerated one, and that of the original.

The first lets the call run as ever, and keeps what the original asks and is answered. Under the
second the original runs once more: it is given these results by exact request, and nothing else.
No engine is asked, nothing is paid for, and a sampled answer is the same answer. What the original
asks and does not find was not asked in the accelerated call: that is what is looked for.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable
from concurrent.futures import Future
from typing import ClassVar

from ayo_bridge import seam
from ayo_bridge.graph import Graph, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.kept import Kept, KeptObservation, KeptTicket, Noting
from ayo_bridge.runahead.plan import Plan
from ayo_bridge.runahead.scope import Scope
from ayo_bridge.runahead.tickets import Ticket
from ayo_bridge.seam import EngineCall, EngineKind, Outcome


class AskedElsewiseError(BaseException):
    """The original asks what it had not asked. No handler of its own shall go on with that."""


class WouldWriteError(BaseException):
    """The original is about to do what shall not be done twice. It does not come to that."""


class VerifiedScope(Scope):
    """A scope that keeps what passes by."""

    __slots__ = ("_noting", "kept")

    verified: ClassVar[bool] = True

    def follow(self, kept: Kept | None = None) -> None:
        """Keep everything from now on: in ``kept``, where it is part of another call."""
        self.kept = Kept() if kept is None else kept
        self._noting = Noting()
        self.follower = self._noting
        self.quiet = False  # Requests have to be identified, also where nothing runs ahead.

    def followed_by(self, follower: seam.Follower) -> None:
        """Tell ``follower`` of the calls at boundaries, too."""
        self._noting.inner = follower

    @property
    def followed(self) -> bool:
        """Whether somebody learns of the calls: to keep them is to learn nothing."""
        return self._noting.inner is not None

    def claim(self, key: Hashable) -> seam.Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call."""
        ticket = super().claim(key)
        if ticket is None:
            return None
        self._asks(key)
        call = ticket.call if isinstance(ticket, Ticket) else None
        return KeptTicket(ticket, call, key, self.kept)

    def direct(
        self, engine: str, kind: EngineKind, key: Hashable = None, *, items: int = 1
    ) -> seam.Observation:
        """Note that the original makes a call itself."""
        self._asks(key)
        return KeptObservation(super().direct(engine, kind, key, items=items), key, self.kept)

    def touches(self, what: str) -> None:
        """It is not to be run once more."""
        self.kept.wrote = self.kept.wrote or what

    def _asks(self, key: Hashable) -> None:
        text = self._noting.asks()
        if text:
            self.kept.asks(key, text)


class ReplayScope(Scope):
    """Gives the original what it was answered before, each result once; asks nobody."""

    __slots__ = ("_left", "_noting", "_several", "ambiguous", "lacking")

    replays: ClassVar[bool] = True

    def __init__(self, runtime: Home, kept: Kept) -> None:
        plan = Plan(Template(()), Graph(()), Graph(()))
        record = CallRecord("verify", 0.0, plan.template, plan.p_graph, plan.e_graph)
        super().__init__(runtime, plan, record)
        runtime.client.closed(self.number)  # No user waits for it.
        self.quiet = False
        self.follower = self._noting = Noting()
        self._left = defaultdict(deque, {key: deque(v) for key, v in kept.answers.items()})
        self._several = {key for key, values in kept.answers.items() if len(values) > 1}
        self.ambiguous = False
        """Whether one of several answers to equal requests was given, perhaps out of order."""
        self.lacking: list[tuple[Hashable, str]] = []
        """What was asked and was not there."""

    def covers(self, obj: object) -> bool:
        """Everything: whatever is accelerated inside of the original runs as it is."""
        return True

    @property
    def left(self) -> list[Hashable]:
        """What was there and was not asked, each as often."""
        return [key for key, values in self._left.items() for _ in values]

    def claim(self, key: Hashable) -> seam.Ticket | None:
        """The result of this request; ``None`` if there is none, or none any more."""
        with self._lock:
            values = self._left.get(key)
            if not values:
                return None
            value = values.popleft()
            self.ambiguous = self.ambiguous or key in self._several
        self._noting.asks()
        future: Future[object] = Future()
        future.set_result(value)
        record = EngineCall("", "", EngineKind.LLM, key, Outcome.AHEAD, 0.0)
        return Ticket(self.runtime.clock, future, record)

    def direct(
        self, engine: str, kind: EngineKind, key: Hashable = None, *, items: int = 1
    ) -> seam.Observation:
        """Refuse a call that was not answered before, or has no identity.

        Raises:
            AskedElsewiseError: always.
        """
        self.lacking.append((key, self._noting.asks() or f"a request to {engine}"))
        raise AskedElsewiseError(f"{engine} was not asked this in the accelerated call")

    def touches(self, what: str) -> None:
        """Refuse it.

        Raises:
            WouldWriteError: always.
        """
        raise WouldWriteError(what)
