"""One accelerated call: what happens in it, and what of it runs ahead.

Most calls of most applications have nothing to run ahead for most of their time. Until they have, a
scope is *quiet*: it only notes what passes by, and each binding lets the original do its work. With
the first plan that has something ahead it wakes, is told what has happened so far, and from then on
:class:`~ayo_bridge.runahead.ahead.Ahead` does the work.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ayo_bridge import seam
from ayo_bridge.graph import Graph, Template
from ayo_bridge.passes import Decision
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.ahead import Ahead
from ayo_bridge.runahead.failures import stumbled
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.own_calls import depth_of, foreseen_of
from ayo_bridge.runahead.plan import Makers, Plan
from ayo_bridge.runahead.served import served
from ayo_bridge.runahead.tickets import Observation
from ayo_bridge.runahead.visits import Visits, kind_of
from ayo_bridge.schedule import Values
from ayo_bridge.seam import Call, EngineCall, EngineKind, Hit, Outcome

if TYPE_CHECKING:  # Nothing of verifying is imported where nothing is verified.
    from ayo_bridge.runahead.again import Verifies

_logger = logging.getLogger(__name__)


class Scope:
    """The run-ahead of one call. Thread-safe.

    A closed scope is a pass-through: it dispatches nothing, and what was unconsumed has been
    cancelled down to the engine.

    Args:
        runtime, plan, record: of the call.
        doubtful: is asked before anything runs ahead, and if so nothing does in this call: what
            the plan was made for has changed.
        covers: ids of the objects that the plan describes.
        outer: the scope inside of which it is opened.
    """

    __slots__ = (
        "_ahead",
        "_closers",
        "_covers",
        "_declined",
        "_doubtful",
        "_handed",
        "_lock",
        "_past",
        "closed",
        "follower",
        "guide",
        "number",
        "on_claim",
        "on_finish",
        "plan",
        "quiet",
        "record",
        "runtime",
        "verification",
        "visits",
    )

    _numbers = itertools.count(1)
    verified: ClassVar[bool] = False
    """Whether what passes by is kept, to be compared with the original."""
    replays: ClassVar[bool] = False
    """Whether the original runs for the second time: nobody who listens to it shall hear it."""

    def __init__(
        self,
        runtime: Home,
        plan: Plan,
        record: CallRecord,
        doubtful: Callable[[], bool] | None = None,
        covers: frozenset[int] = frozenset(),
        outer: Scope | None = None,
    ) -> None:
        self.runtime = runtime
        self.plan = plan
        """What the call began with."""
        self.record = record
        self.closed = False
        self.quiet = True
        """Nothing runs ahead so far: nobody but the original wants the results of its calls.

        What is planned ahead later are later occurrences, so earlier calls need no accounting."""
        self.number = next(self._numbers)
        kind = kind_of(record, None if outer is None else outer.record)
        self.visits: Visits = Visits(kind, self.number, None if outer is None else outer.visits)
        self.on_finish: Callable[[CallRecord], object] | None = None
        """Told once, with the finished record, when the scope has closed."""
        self.on_claim: Callable[[Hashable], None] | None = None
        """Told of each request that the original comes to."""
        self.guide: object = None
        """What the adapter keeps for its taps while this scope runs."""
        self.follower: seam.Follower | None = None
        self.verification: Verifies | None = None
        """Compares this call with the original; of most calls nobody does."""
        self._doubtful = doubtful
        self._declined: str | None = None
        self._covers = covers
        self._lock = threading.RLock()
        self._ahead: Ahead | None = None
        self._past: list[Callable[[Ahead], None]] = []
        self._handed: dict[Hashable, object] = {}
        self._closers: list[Callable[[], object]] = []
        runtime.client.opened(self.number)
        if plan.ahead:
            self._wake(plan)

    def covers(self, obj: object) -> bool:
        """Whether the plan describes what ``obj`` does, so that its calls belong to this scope."""
        return id(obj) in self._covers

    def followed_by(self, follower: seam.Follower) -> None:
        """Tell ``follower`` of the calls at boundaries from now on."""
        self.follower = follower

    @property
    def followed(self) -> bool:
        """Whether somebody learns of the calls at boundaries, those of inner scopes included."""
        return self.follower is not None

    # The graph side.

    def start(self, values: Values) -> None:
        """Give the query's inputs and dispatch what needs nothing else."""
        self._tell(lambda ahead: ahead.start(values))

    def feed(self, values: Values) -> None:
        """Give values that the framework has made, and dispatch what waited for them."""
        self._tell(lambda ahead: ahead.feed(values))

    def expand(self, primitive_id: str, plan: Plan, values: Values) -> None:
        """Replace an ``Expand`` primitive by the sub-graph that its data called for.

        With a ``primitive_id`` that the graph does not hold (``""``) it grows by the sub-graph.
        """
        if self.closed:
            return
        if plan.ahead and self._ahead is None:
            self._wake(plan)
        self.record.note_growth(primitive_id, plan)
        self._tell(lambda ahead: ahead.expand(primitive_id, plan, values))

    def add_makers(self, makers: Makers) -> None:
        """Let calls of further components be made ahead."""
        self._tell(lambda ahead: ahead.add_makers(makers))

    def run_ahead(self, primitive_id: str) -> None:
        """Dispatch one primitive now (a prefix warm whose time has come)."""
        if not self.closed and (ahead := self._wake()) is not None:
            ahead.run(primitive_id)

    def ask(
        self, primitive_id: str, make: Callable[[], Call], then: Callable[[Future[object]], object]
    ) -> bool:
        """Make a call of a primitive whose calls become known one by one; ``False``: no more.

        ``then`` is told of its end on any thread.

        Raises:
            Exception: what ``make`` raises.
        """
        ahead = None if self.closed else self._wake()
        return ahead is not None and ahead.ask(primitive_id, make, then)

    def knows(self, value: str) -> bool:
        """Whether a graph value is there already. Wakes the scope."""
        ahead = self._wake()
        return ahead is not None and ahead.knows(value)

    def pays(self, plan: Plan) -> bool:
        """Whether anything of a plan would run ahead; if not, nothing need be made for it."""
        return bool(plan.ahead) and not self.closed and not self._declines(plan)

    def _tell(self, event: Callable[[Ahead], None]) -> None:
        """Have run-ahead know of an event: now, or should it wake."""
        if self.closed:
            return
        ahead = self._ahead
        if ahead is None:
            with self._lock:
                ahead = self._ahead
                if ahead is None:
                    self._past.append(event)
                    return
        event(ahead)

    def _wake(self, plan: Plan | None = None) -> Ahead | None:
        with self._lock:
            ahead = self._ahead
            if ahead is None and not self.closed and not self._refused(plan):
                ahead = Ahead(self.runtime, self.plan, self.record, self.visits, self._lock)
                past, self._past = self._past, []
                for event in past:
                    event(ahead)
                self._ahead = ahead
                self.quiet = False
                self.record.ran_ahead = True
            return ahead

    def _declines(self, plan: Plan | None) -> bool:
        """Whether this process has no time for work ahead; found once, for the whole call."""
        if plan is not None and self._declined is None:
            gain, calls = plan.predicted_gain or 0.0, len(plan.ahead)
            self._declined = self.runtime.client.declines(gain, calls)
            if self._declined:
                self.note(self._declined)
        return bool(self._declined)

    def _refused(self, plan: Plan | None) -> bool:
        if self._declines(plan):
            return True
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is not None and doubtful():
            self._doubtful = _yes
            self.note("what was accelerated has just been changed: this call runs as it is")
        return self._doubtful is not None

    # Glue.

    def hand_over(self, key: Hashable, value: object) -> None:
        """Keep glue computed ahead in the calling thread for the helper that will ask for it."""
        self._handed[key] = value

    @property
    def hands_over(self) -> bool:
        """Whether there is glue that nobody has taken yet."""
        return bool(self._handed)

    def handed(self, key: Hashable) -> Hit | None:
        """Take glue computed ahead, once."""
        with self._lock:
            return Hit(self._handed.pop(key)) if key in self._handed else None

    def note(self, reason: str) -> None:
        """Remember for ``explain`` why something was not done."""
        self.record.note_decision(Decision("run-ahead", (), False, reason, None))

    # The binding side.

    def asks(self, server: str) -> seam.Query:
        """Note that ``host:port`` is asked; returns by whom."""
        return self.visits.asks(self.runtime.load(server))

    def claim(self, key: Hashable) -> seam.Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call.

        The occurrence is then the original's: whoever comes to it ahead from this moment on waits
        for the call that :meth:`direct` is going to note.
        """
        ahead = self._ahead
        ticket = None if ahead is None else ahead.claim(key)
        if self.on_claim is not None:
            self.on_claim(key)
        return ticket

    def stumbled(self, server: str) -> None:
        """A call of the original's own to ``host:port`` has failed: nothing more goes ahead there.

        What has been sent is cancelled.
        """
        stumbled(self.record.entry, server)
        if self._ahead is not None:
            self._ahead.stop(server, cancel=True)

    def touches(self, what: str) -> None:
        """The original does what is no question to an engine: it writes, or asks somebody else."""

    def helps(self, what: str) -> None:
        """Something was done that no engine's record shows: such calls are worth being seen."""
        self.record.helped = what

    @property
    def lead(self) -> float:
        """Seconds that work ahead has won so far."""
        return self.record.measured_gain

    def direct(
        self, engine: str, kind: EngineKind, key: Hashable = None, *, items: int = 1
    ) -> seam.Observation:
        """Note that the original makes a call itself. A quiet scope needs no key."""
        now = self.runtime.clock()
        record = EngineCall("", engine, kind, key, Outcome.DIRECT, now, now, items=items)
        if not self.closed:
            self.record.note_call(record)
        ahead = self._ahead
        if ahead is None or key is None:
            return Observation(self.runtime.clock, None, record)
        return ahead.observe(record)

    def foreseen(self, record: EngineCall) -> seam.Foreseen | None:
        """What the graph says of a call of the original's own."""
        return foreseen_of(self.record, record)

    def scheduled(self, call: Call, record: EngineCall, original: Callable[[], Any]) -> Any:
        """Have the engine's scheduler serve a call of the original's own, and wait for it.

        Raises:
            Exception: whatever the call raises.
        """
        scheduler = self.runtime.scheduler(call.engine)
        if scheduler.engine.elsewhere:
            self.helps("its models run in a process that several share")
        return served(
            scheduler,
            call,
            record,
            original,
            query=self.number,
            place=partial(depth_of, self.record),
            since=self.record.started,
        )

    # The end.

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called once when the scope ends (at once if it has)."""
        with self._lock:
            if not self.closed:
                self._closers.append(callback)
                return
        callback()

    def close(self) -> None:
        """End the scope: cancel what nobody consumed, down to the engine. Idempotent."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        self.runtime.client.closed(self.number)
        for closer in self._closers:
            _safely(closer)
        if self._ahead is not None:
            self._ahead.end()
        record, finish = self.record, self.on_finish
        record.ended = self.runtime.clock()
        if record.whole:
            _safely(lambda: self.visits.ended(record))
        if finish is not None:
            _safely(lambda: finish(record))
        self._forget()

    def _forget(self) -> None:
        """Let go of the user's objects.

        Whatever takes a copy of the context while the call runs (a loop that is made, a task) keeps
        the scope, and for as long as it likes.
        """
        self.plan = _NOTHING
        self.guide = self.follower = self.on_finish = self._doubtful = self._ahead = None
        self.on_claim = None
        self.verification = None
        self._past, self._closers, self._handed = [], [], {}


def current_scope() -> Scope | None:
    """The open scope this code runs under, or ``None``."""
    return cast("Scope | None", seam.current_scope())


def replaying() -> bool:
    """Whether this code runs for the second time: whoever listens to it shall not hear it."""
    scope = current_scope()
    return isinstance(scope, Scope) and scope.replays


_NOTHING: Final = Plan(Template(()), Graph(()), Graph(()))


def _yes() -> bool:
    return True


def _safely(step: Callable[[], object]) -> None:
    """The caller has its answer; what goes wrong in tidying up is ours alone."""
    try:
        step()
    except Exception:
        _complain()


def _complain() -> None:
    _logger.exception("a finished call could not be tidied up")
