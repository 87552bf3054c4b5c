"""Prefix warms of one call: when they pay, and whether they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ayo_bridge.graph import Graph, Op, Primitive, PromptPart
from ayo_bridge.learn.known import Waiting
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.live.making import LearnedMaker, Made
from ayo_bridge.learn.live.owners import Way
from ayo_bridge.learn.live.prefixes import CHARACTERS, Prefix
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.trace import Kind
from ayo_bridge.passes import Decision, PassContext, PrefillingSplit
from ayo_bridge.runahead import Scope
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.planner import CALL_SECONDS
from ayo_bridge.seam import BoundaryCall, EngineKind, Outcome

_LATE: Final = "rest"


class Warming:
    """Has the known beginnings of prompts prefilled while the original waits for other answers.

    Only at servers that are known to keep prefixes. Not thread-safe.

    Args:
        scope, foresight: of the call.
        way: how a site's calls are made in this call, if that is known.
    """

    def __init__(
        self, scope: Scope, foresight: Foresight, way: Callable[[str], Way | None]
    ) -> None:
        self._scope = scope
        self._foresight = foresight
        self._way = way
        self._in_flight: dict[Waiting, tuple[str, float]] = {}
        """Engine and beginning of the LLM calls that the original waits for."""

    def began(self, visit: Waiting, call: BoundaryCall) -> None:
        """The original waits for an answer that nobody has asked for ahead."""
        if call.warm is not None:
            self._in_flight[visit] = (call.engine, self._scope.runtime.clock())

    def ended(self, visit: Waiting, call: BoundaryCall, result: object) -> None:
        """It waits no longer. The result may show whether the server keeps prefixes."""
        self._in_flight.pop(visit, None)
        sees_cache(self._scope.runtime, call, result)

    def due(self) -> tuple[list[Made], float]:
        """The warms that pay now, and the seconds that they win."""
        runtime = self._scope.runtime
        can_warm = runtime.can_warm()
        split = next((each for each in runtime.passes if isinstance(each, PrefillingSplit)), None)
        if not can_warm or split is None or (lead := self._lead()) <= 0:
            return [], 0.0
        made, won = [], 0.0
        context = PassContext(profiles=runtime.profiles.profiles(), can_warm=can_warm)
        for prefix in self._foresight.prefixes():
            way = self._way(prefix.site)
            if way is None:
                continue
            decision = decided(split, context, way.engine, prefix, lead)
            call = way.warming(prefix.text) if decision.applied else None
            if call is not None:
                self._foresight.beginnings.warmed(prefix)
                asked = Predicted(prefix.site, prefix.visit, prefix.text, frozenset())
                made.append(Made(asked, Kind.LLM, call))
                won += decision.predicted_gain or 0.0
        return made, won

    def _lead(self) -> float:
        """For how long the original will still wait for what it has asked, in seconds."""
        runtime = self._scope.runtime
        now, typical = runtime.clock(), runtime.profiles.typical
        seconds = [
            (typical(engine) or CALL_SECONDS) - (now - began)
            for engine, began in self._in_flight.values()
        ]
        return max(seconds, default=0.0)

    def cold(self, maker: LearnedMaker) -> frozenset[str]:
        """Once the call has ended: sites that were warmed in vain, or could not be."""
        failed = {
            maker.site(call.primitive)
            for call in self._scope.record.own_calls
            if call.outcome is Outcome.WARM and call.error
        }
        return self._foresight.beginnings.unused() | {site for site in failed if site is not None}


def sees_cache(runtime: Home, call: BoundaryCall, result: object) -> None:
    """A result of the original's may show whether the server keeps prefixes."""
    if call.warm is None or not runtime.knows(call.engine):
        return
    engine = runtime.scheduler(call.engine).engine
    if engine.kind is EngineKind.LLM and not engine.caches_prefixes:
        engine.caches_prefixes = call.shows_prefix_cache(result)


class _During:
    """What engines cost, and the call in flight until which nothing more is known."""

    def __init__(self, costs: PassContext, lead: float) -> None:
        self._costs = costs.profiles
        self._lead = lead

    def best_batch(self, engine: str) -> int | None:
        return self._costs.best_batch(engine)

    def seconds(self, primitive: Primitive) -> float | None:
        return self._lead if primitive.op is Op.HOST else self._costs.seconds(primitive)


def decided(
    split: PrefillingSplit, context: PassContext, engine: str, prefix: Prefix, lead: float
) -> Decision:
    """Whether to prefill, by the very pass that decides it for templates.

    ``lead`` is for how many seconds the rest is not known, at least.
    """
    tokens, cached = len(prefix.text) // CHARACTERS, prefix.cached // CHARACTERS
    parts = (PromptPart(cached), PromptPart(tokens - cached, "known"), PromptPart(1, _LATE))
    during = Primitive("in flight", Op.HOST, prefix.site, outputs=(_LATE,))
    whole = Primitive(
        "prompt", Op.PREFILLING, prefix.site, engine, inputs=("known", _LATE), prompt=parts
    )
    graph = Graph((during, whole), inputs=("known",))
    costs = PassContext(
        profiles=_During(context, lead), can_warm=context.can_warm, sequences=context.sequences
    )
    (decision,) = split.apply(graph, costs).decisions
    return decision
