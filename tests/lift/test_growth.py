"""Whether it is worth making anything for the levels of a synthesis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ayo_bridge.graph import Searching, Synthesis, SynthesisMode, Template
from ayo_bridge.lift.growth import SynthesisGrowth
from ayo_bridge.record import CallRecord
from ayo_bridge.runahead import Scope
from ayo_bridge.runahead.client import Client
from ayo_bridge.runtime import Runtime

ACCUMULATE = Synthesis(name="synthesis", llm="llm", mode=SynthesisMode.ACCUMULATE)
TEMPLATE = Template.chain(Searching(name="search", embedding="e", store="s"), ACCUMULATE)


class Busy(Client):
    """A process that has no time for work ahead."""

    def declines(self, gain: float, calls: int) -> str:
        return "this process is busy"


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    yield runtime
    runtime.close()


def growth(runtime: Runtime) -> SynthesisGrowth:
    plan = runtime.planner.plan(TEMPLATE, {})
    record = CallRecord("query", runtime.clock(), TEMPLATE, plan.p_graph, plan.e_graph)
    return SynthesisGrowth(Scope(runtime, plan, record), ACCUMULATE, "question")


def test_several_calls_pay_and_one_does_not(runtime: Runtime) -> None:
    grown = growth(runtime)
    assert grown.pays(4)
    assert not grown.pays(1)


def test_nothing_pays_where_nothing_may_run_ahead(runtime: Runtime) -> None:
    runtime.run_ahead = False
    assert not growth(runtime).pays(4)


def test_nothing_pays_in_a_busy_process(runtime: Runtime) -> None:
    runtime.client = Busy()
    assert not growth(runtime).pays(4)
