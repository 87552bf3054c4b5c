"""What servers hear of the calls that ask them."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from typing import cast

import pytest

from ayo_bridge.graph import Extracting, Graph, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.offered import Offered
from ayo_bridge.runahead.visits import Visits, kind_of
from ayo_bridge.schedule import Request, ServerLoad
from ayo_bridge.schedule.limits import AheadLimit
from ayo_bridge.seam import EngineCall, EngineKind, Outcome, Query, Usage


class Heard(ServerLoad):
    def __init__(self, *, meets: bool = False) -> None:
        super().__init__(lambda: 0.0, AheadLimit())
        self.meets = meets
        self.queries: list[tuple[Hashable, float, int]] = []
        self.shares: list[tuple[Hashable, float, bool]] = []

    def heard(self, kind: Hashable, began: float, tokens: object) -> bool:
        assert callable(tokens)
        self.queries.append((kind, began, tokens()))
        return self.meets

    def learn(
        self,
        kind: Hashable,
        share: float,
        seconds: float,
        tokens: int,
        *,
        held: bool,
        caller: Hashable = None,
    ) -> None:
        self.shares.append((kind, seconds, held))


def record(*tokens: int) -> CallRecord:
    calls = [
        EngineCall("", "llm", EngineKind.LLM, None, Outcome.DIRECT, 1.0, tokens=Usage(9, each))
        for each in tokens
    ]
    return CallRecord("query", 1.0, Template(()), Graph(()), Graph(()), calls=calls, ended=3.0)


def test_a_call_with_nothing_ahead_is_heard_of_where_it_has_asked() -> None:
    asked, other = Heard(), Heard()
    visits = Visits("kind", 1)
    assert visits.asks(asked) == Query("kind", 1)
    visits.ended(record(20, 30))
    assert asked.queries == [("kind", 1.0, 50)]
    assert not asked.shares
    assert not other.queries


def test_all_of_a_call_goes_by_one_share_of_which_the_server_hears() -> None:
    load, visits = Heard(), Visits("kind", 1)
    assert visits.share(load) is visits.share(load)
    visits.held(load)
    visits.ended(record(5))
    assert load.shares == [("kind", 2.0, True)]


def test_a_call_inside_of_another_asks_as_that_and_does_not_count_twice() -> None:
    load, outer = Heard(), Visits("outer", 1)
    inner = Visits("inner", 2, outer)
    assert inner.asks(load) == Query("outer", 1)
    inner.ended(record(5))
    assert not load.queries
    around = record(5)
    around.note_nested(record(7))
    outer.ended(around)
    assert load.queries == [("outer", 1.0, 12)]


def of(name: str, component: str) -> CallRecord:
    template = Template((Extracting(name=component, llm="llm"),), name=name)
    return CallRecord(name, 1.0, template, Graph(()), Graph(()))


def test_objects_that_are_made_anew_in_each_call_are_compared_with_each_other() -> None:
    outer = of("answer", "site1")
    kinds = {kind_of(of("run", each), outer) for each in ("summary", "summary", "title")}
    assert len(kinds) == 2
    assert kind_of(of("run", "summary"), of("ingest", "site1")) not in kinds


def test_calls_by_themselves_are_compared_with_those_of_their_object() -> None:
    assert kind_of(of("query", "answer")) != kind_of(of("query", "answer"))


@pytest.mark.parametrize("meets", [True, False])
def test_a_call_knows_whether_its_time_told_of_others(meets: bool) -> None:
    visits, ended = Visits("kind", 1), record()
    visits.asks(Heard(meets=meets))
    visits.ended(ended)
    assert ended.met_others is meets


def test_what_will_not_be_sent_counts_nowhere_when_the_original_comes_to_it() -> None:
    load = ServerLoad(lambda: 0.0, AheadLimit(0))
    offered = Offered(load, Query("kind", 1), lambda: cast(Request, Future()), lambda error: None)
    assert not load.offer(offered, lambda: 1.0)
    offered.drop()
    offered.claimed()
    assert (load.ahead, load.awaited) == (0, 0)
