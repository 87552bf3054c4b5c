"""What prefilling the known beginnings of prompts would have won in calls that were traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from ayo_bridge.learn.asked import with_values
from ayo_bridge.learn.known import Known, Waiting
from ayo_bridge.learn.live.owners import Owners, Way
from ayo_bridge.learn.live.prefixes import Prefix, Prefixes
from ayo_bridge.learn.live.warming import decided
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace
from ayo_bridge.learn.visits import visits_of
from ayo_bridge.passes import PassContext, PrefillingSplit
from ayo_bridge.runahead.home import Home

Saved = Callable[[Prefix, float], float]
"""Seconds that prefilling a beginning saves, if the rest is not known for so many seconds."""
_NOTHING: Final = 0.0


def by_prefills(
    runtime: Home, owners: Owners, traces: Sequence[Trace], template: Template
) -> float:
    """Seconds that a call wins by prefix warms alone, by what its engines are known to cost."""
    can_warm = runtime.can_warm()
    split = next((each for each in runtime.passes if isinstance(each, PrefillingSplit)), None)
    if not can_warm or split is None:
        return _NOTHING
    context = PassContext(profiles=runtime.profiles.profiles(), can_warm=can_warm)

    def saved(prefix: Prefix, lead: float) -> float:
        way = owners.of(prefix.site)
        if not isinstance(way, Way) or way.warm is None:
            return _NOTHING
        decision = decided(split, context, way.engine, prefix, lead)
        return (decision.predicted_gain or _NOTHING) if decision.applied else _NOTHING

    return median(saved_in(template, trace, saved) for trace in traces)


def saved_in(template: Template, trace: Trace, saved: Saved) -> float:
    """Seconds that one traced call wins by prefix warms, nothing else being made ahead."""
    trace = with_values(trace, template.asked)
    known = Known()
    for name, text in trace.inputs.items():
        known.input(name, text)
    prefixes = Prefixes(template, known)
    keys: dict[int, Waiting] = {
        id(call): (site, visit)
        for site, calls in visits_of(trace).items()
        for visit, call in enumerate(calls)
    }
    moments = [(call.began, True, at) for at, call in enumerate(trace.calls)]
    moments += [(call.ended, False, at) for at, call in enumerate(trace.calls)]
    awaited: dict[int, float] = {}
    won = 0.0
    for _, begins, at in sorted(moments, key=lambda moment: moment[0]):
        call = trace.calls[at]
        key = keys[id(call)]
        if not begins:
            awaited.pop(at, None)
            known.result(*key, call.result)
        elif call.kind is not Kind.HELPER:
            known.asked(*key)
            prefixes.asked(key, call.request)
            if call.kind is Kind.LLM:  # Only what the original waits for long enough is a lead.
                awaited[at] = call.seconds
        if awaited:
            for prefix in prefixes.due():
                if (seconds := saved(prefix, max(awaited.values()))) > 0:
                    won += seconds
                    prefixes.warmed(prefix)
    return won
