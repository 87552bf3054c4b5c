"""One call of a learned function: it is traced, or followed by what was predicted of it."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.learn.known import Waiting
from ayo_bridge.learn.live.busy import Busy
from ayo_bridge.learn.live.clients import Clients
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.making import LearnedMaker, Made, planned
from ayo_bridge.learn.live.named import Named
from ayo_bridge.learn.live.owners import Owners, Way
from ayo_bridge.learn.live.pipelining import Pipelining, freed, judge
from ayo_bridge.learn.live.texts import Texts, result_of, said
from ayo_bridge.learn.live.warming import Warming, sees_cache
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.trace import Kind, Result, Trace
from ayo_bridge.learn.tracing.places import CallPlace, current_place
from ayo_bridge.learn.tracing.tracer import Tracer
from ayo_bridge.learn.values import Part
from ayo_bridge.runahead import Scope
from ayo_bridge.runahead.failures import failed_ahead
from ayo_bridge.seam import Answer, BoundaryCall, EngineCall, Outcome, Told

_logger: Final = logging.getLogger(__name__)


class _Handle(NamedTuple):
    """What the end of a call is told by."""

    call: BoundaryCall
    traced: int | None
    visit: Waiting | None


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a call that ended well, or that the program itself has ended by raising.

    ``trace`` is there if it was traced. ``refuted`` are sites of which the original asked something
    else than was predicted, ``confirmed`` those of which it asked what was.
    """

    trace: Trace | None = None
    refuted: frozenset[str] = frozenset()
    confirmed: frozenset[str] = frozenset()
    met_unknown: bool = False
    """Whether the original has come to a site of which too little was seen."""
    raised: bool = False


class LiveCall:
    """Follows the engine calls of one call. Thread-safe; what fails here is left to the original.

    Args:
        scope, place: of the call; without a place it is only let through.
        owners: by whom the calls of each site are made.
        tracer: notes the calls, if they are to be learned from.
        lesson: what was learned, if it is to be used.
        inputs: the texts among the arguments.
        given: the ids of the objects among them.
    """

    def __init__(
        self,
        scope: Scope,
        place: CallPlace | None,
        owners: Owners,
        inputs: Mapping[str, str],
        tracer: Tracer | None = None,
        lesson: Lesson | None = None,
        given: frozenset[int] = frozenset(),
    ) -> None:
        self.lesson = lesson
        self.scope = scope
        self._place = place
        self.where = place or current_place()
        """The place at which the original runs."""
        self.owners = owners
        self._tracer = tracer
        self._lock = threading.Lock()
        self._foresight: Foresight | None = None
        self._vain = frozenset() if lesson is None else owners.vain(lesson.searches, given)
        """Sites that may be asked in vain."""
        if lesson is not None:
            self._foresight = Foresight(
                lesson.template,
                inputs,
                lesson.doubtful(),
                lesson.by_branch,
                lesson.cold,
                freed(lesson),
                self._vain,
            )
        self._maker = LearnedMaker(self._arrived)
        self._given = given
        self._clients = Clients(
            owners,
            given,
            Named(inputs),
            frozenset() if lesson is None else lesson.spread,
            frozenset() if lesson is None else lesson.by_branch,
        )
        self._named_at: dict[str, Hashable] = {}
        """The first headers and query that this call has named at each site."""
        self._sent_by: dict[Waiting, Way] = {}
        """How what was sent ahead was made."""
        self._met = Counter[str]()  # By site, what the original has asked that was on its way.
        self._texts = Texts()
        self._complained: set[str] = set()
        foreseen, way = self._foresight, self._clients.way
        self._warming = None if foreseen is None else Warming(scope, foreseen, way)
        self._pipelining: Pipelining | None = None
        if lesson is not None and lesson.feeding:
            self._pipelining = Pipelining(
                scope, lesson, self._clients.way, self._grown, self._texts.read
            )
        self._gain = lesson.gain if lesson is not None else 0.0
        self._closed = self._failed = self._raised = False
        """It is over; an engine call of the original failed; the program has ended it by raising.
        """
        self.busy: Busy | None = None
        """Says how busy the process was while it was traced."""

    # What the original does.

    def uses(self, owners: Iterable[object]) -> None:
        """Whatever it is given, this call uses these clients and stores."""
        if self.lesson is None:
            return
        try:
            self._clients.always(owners)
        except Exception as error:
            self.scope.note(f"whose clients it uses is not known: {error!r}")

    def start(self) -> None:
        """Send what is determined by the inputs alone."""
        try:
            self._go_on()
        except Exception as error:
            self._broken(error)

    def begin(self, call: BoundaryCall) -> _Handle | None:
        """The original makes a call."""
        if self._closed:
            return None
        try:
            return self._begun(call)
        except Exception as error:
            self._broken(error)
            return None

    def _begun(self, call: BoundaryCall) -> _Handle:
        assert self._place is not None, "who is not followed is told of nothing"
        here = self._place.here()
        site = here.site()
        self.owners.saw(site, call, self._given)
        if self._named_at.setdefault(site.id, call.named) != call.named:
            self.owners.named_several(site.id)
        asked = call.request()
        request = self._texts.of(asked)
        traced = visit = None
        if self._tracer is not None:
            traced = self._tracer.begin(Kind(call.kind), request)
        if self._foresight is not None:
            with self._lock:
                waits = self._foresight.waits(site.id, request)
                self._met[site.id] += waits
                visit = self._foresight.asked(site.id, here.branch, request)
                if self._warming is not None and not waits:
                    self._warming.began(visit, call)
                self._clients.used(site.id, here.branch, call, asked)
            if self._pipelining is not None:
                self._pipelining.began(site.id, call, asked)
            self._go_on()
        return _Handle(call, traced, visit)

    def grows(self, handle: object) -> Told | None:
        """Its answer begins to be written."""
        if not isinstance(handle, _Handle) or handle.visit is None or self._pipelining is None:
            return None
        return self._pipelining.own(handle.visit, handle.call)

    def end(self, handle: object, result: object, error: BaseException | None = None) -> None:
        """It has returned, or raised."""
        if not isinstance(handle, _Handle) or self._closed:
            return
        try:
            answer = None if error is not None else said(handle.call, result)
            self._failed = self._failed or answer is None
            if self._tracer is not None:
                self._tracer.end(handle.traced, answer, error)
                sees_cache(self.scope.runtime, handle.call, result)
            if handle.visit is not None:
                if self._warming is not None:
                    self._warming.ended(handle.visit, handle.call, result)
                self._answered(handle.visit, answer, own=True)
            elif answer is not None:
                self._texts.keep(answer)
        except Exception as wrong:
            self._broken(wrong)

    def helper(self, name: str, value: Callable[[], Answer]) -> None:
        """A helper of the framework has returned a value, of which later requests may be made."""
        tracer, waited = self._tracer, frozenset[str]()
        if self.lesson is not None and self._foresight is not None:
            waited = self.lesson.helpers
        if self._closed or self._place is None or not (waited or tracer):
            return
        try:
            here = self._place.here()
            site = here.site().id
            result = self._told(name, value) if tracer is not None or site in waited else None
            if result is not None and tracer is not None:
                tracer.helper(site, here.branch, name, result)
            if result is not None and self._foresight is not None and site in waited:
                with self._lock:
                    self._foresight.told(site, here.branch, result)
                self._go_on()
        except Exception as error:
            self._broken(error)

    def _told(self, name: str, value: Callable[[], Answer]) -> Result | None:
        """What a helper's value says, if it says anything."""
        try:
            return result_of(value())
        except (TypeError, ValueError):
            return None
        except Exception as error:
            self.scope.note(f"what {name} has returned could not be read: {error!r}")
            return None

    def raised(self, error: BaseException) -> None:
        """It has ended by raising: as a program does to go no further, or as an engine failed."""
        self._raised = isinstance(error, Exception) and not self._failed

    # What goes ahead.

    def _arrived(self, predicted: Predicted, result: object) -> None:
        """A call made ahead has its result, which may not be complete."""
        way = self._sent_by.get((predicted.site, predicted.visit))
        if way is None or self._closed:
            return

        def complete() -> None:
            if self._closed:
                return
            try:
                answer = result_of(way.answer(result))
            except ValueError:
                return  # The original will see it for itself.
            try:
                self._answered((predicted.site, predicted.visit), answer, own=False)
            except Exception as error:
                self._broken(error)

        way.when_complete(result, complete)

    def _grown(self, visit: Waiting, parts: Mapping[str, Part], own: bool) -> None:
        """So much of an answer is certain."""
        if self._foresight is None or self._closed:
            return
        try:
            with self._lock:
                self._foresight.grown(visit, parts, own=own)
            self._go_on()
        except Exception as error:
            self._broken(error)

    def _answered(self, visit: Waiting, answer: Result | None, *, own: bool) -> None:
        if self._foresight is None:
            return
        with self._lock:
            if answer is not None:
                self._texts.keep(answer)
            self._foresight.answered(visit, answer, own=own)
        self._go_on()

    def _go_on(self) -> None:
        """Send what is to be sent now."""
        if self._foresight is None or self._closed:
            return
        with self._lock:
            due = self._foresight.ready(self._may_ask)
            gain, self._gain = self._gain, 0.0 if due else self._gain
            warms, won = ([], 0.0) if self._warming is None else self._warming.due()
        made = [each for each in map(self._made, due) if each is not None] + warms
        gain += won
        lesson, scope = self.lesson, self.scope
        if made and lesson is not None:
            plan = planned(scope.plan.template, made, lesson.numbers, self._maker, gain)
            scope.expand("", plan, dict.fromkeys(plan.e_graph.inputs, True))

    def _may_ask(self, each: Predicted) -> bool:
        wins = self._pipelining is None or self._pipelining.may_go(each)
        return wins and self._clients.may_ask(each)

    def _made(self, each: Predicted) -> Made | None:
        """The engine call for a request; ``None``: it cannot be made ahead."""
        way, lesson = self._clients.way(each.site, each.visit), self.lesson
        learned = None if lesson is None else lesson.template.site(each.site)
        try:
            if way is None or learned is None:
                raise ValueError("by whom it was made is gone")
            fields = self._texts.fields(each.request)
            if learned.kind is Kind.SEARCH:
                way = self.owners.store(each.site, fields.get("engine")) or way
            self._sent_by[each.site, each.visit] = way
            call = way.call(fields)
            if self._pipelining is not None:
                call = self._pipelining.ahead(each, way, call)
            return Made(each, learned.kind, call)
        except Exception as error:
            with self._lock:
                if self._foresight is not None:
                    self._foresight.given_up(each)
            if each.site not in self._complained:
                self._complained.add(each.site)
                self.scope.note(f"a learned request is left to the original: {error}")
                if isinstance(error, CannotBuildError):
                    engine = self.owners.engine(each.site)
                    failed_ahead(self.scope.runtime, self.scope.record.entry, engine, error)
            return None

    # The end.

    def close(self, error: BaseException | None = None) -> Ended | None:
        """End the call; ``None`` if it was left, cancelled, or raised as an engine failed."""
        self._closed = True
        if self._place is not None:
            self._place.close()
        trace = self._tracer.close(error) if self._tracer is not None else None
        record = self.scope.record
        if error is not None:
            record.error = repr(error)
        self.scope.close()
        self._clients.forget()
        self._sent_by.clear()
        self._maker.let_go()
        if self._pipelining is not None:
            self._pipelining.let_go()
        if not (record.whole or self._raised):
            return None
        if self._raised and trace is not None and not trace.asks:
            trace = None  # It has come to nothing.
        if self._foresight is None:
            return Ended(trace, raised=self._raised)
        if self.lesson is not None and self._warming is not None:
            self.lesson.cold |= self._warming.cold(self._maker)
        with self._lock:
            refuted, confirmed = self._foresight.refuted, self._foresight.confirmed
            unknown = self._foresight.met_unknown
        if record.ran_ahead:
            refuted |= self._wasted(record.own_calls) - self._vain
        if self.lesson is not None:
            judge(self.lesson, frozenset(refuted), frozenset(confirmed))
        return Ended(trace, frozenset(refuted), frozenset(confirmed), unknown, self._raised)

    def _wasted(self, calls: Iterable[EngineCall]) -> set[str]:
        """The sites of which something was made in vain, now that it is known what became of it."""
        became: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
        for call in calls:
            if (site := self._maker.site(call.primitive)) is not None:
                became[site][call.outcome] += 1
        for site, its in became.items():
            if its[Outcome.WASTED] and self._met[site] > its[Outcome.HIT] + its[Outcome.DROPPED]:
                self.owners.asked_otherwise(site)
        unused = {Outcome.WASTED, Outcome.CANCELLED} if self._raised else {Outcome.WASTED}
        return {site for site, its in became.items() if not unused.isdisjoint(its)}

    def _broken(self, error: BaseException) -> None:
        """Learning has failed; the call goes on as it is."""
        _logger.debug("a call is not followed any more", exc_info=True)
        self.scope.note(f"its engine calls are not followed any more: {error!r}")
        if self._tracer is not None:
            self._tracer.close(error)
        self._foresight = None
