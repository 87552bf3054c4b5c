import copy
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ayo_bridge.engines.sentence_transformer import EmbeddingModel
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.graph import Op
from ayo_bridge.observe import explain_state, stats_state
from ayo_bridge.runahead.rest import ENOUGH
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import EngineCall, EngineKind, Outcome
from tests.observe.states import call, record, state

HIT, DIRECT, WASTED = Outcome.HIT, Outcome.DIRECT, Outcome.WASTED


def calls(hits: int, wasted: int = 0, dropped: int = 0) -> list[EngineCall]:
    return [
        *(call() for _ in range(hits)),
        *(call(WASTED) for _ in range(wasted)),
        *(call(Outcome.DROPPED) for _ in range(dropped)),
    ]


@pytest.mark.parametrize(("hits", "wasted", "dropped"), [(18, 2, 0), (0, 20, 0), (18, 2, 9)])
def test_too_much_unused_work_switches_run_ahead_off(hits: int, wasted: int, dropped: int) -> None:
    judged = state(record(*calls(hits, wasted, dropped)))
    assert f"{wasted} of the last 20 results" in judged.switched_off
    assert not judged.runs_ahead


def test_half_of_the_calls_ahead_may_fail_and_no_more() -> None:
    assert state(record(*calls(15, 0, 15))).runs_ahead
    judged = state(record(*calls(14, 0, 16)))
    assert judged.switched_off.startswith("16 of the last 30 calls ahead failed")


@pytest.mark.parametrize("error", ["CancelledError()", ""])
def test_a_call_that_did_not_come_to_its_end_is_no_evidence(error: str) -> None:
    left = record(*calls(0, 100, 100), call(Outcome.CANCELLED), error=error)
    left.abandoned = not error
    judged = state(left)
    assert judged.runs_ahead
    assert judged.totals().cancelled == 1
    assert stats_state(judged).cancelled == 1


@pytest.mark.parametrize("met", [True, False])
def test_calls_whose_times_tell_what_work_ahead_costs_others_go_on_being_seen(met: bool) -> None:
    useless = state()
    useless.remembers = False
    for _ in range(ENOUGH + 1):
        ended = record(call(DIRECT))
        ended.ran_ahead, ended.met_others = False, met
        useless.note(ended)
    useless.totals()
    assert useless.rest.resting is not met


@pytest.mark.parametrize("shared", [True, False])
def test_calls_of_a_model_that_processes_are_to_share_are_seen_before_it_is_there(
    shared: bool,
) -> None:
    placed = MadeEngine("minilm", EngineKind.EMBEDDING, "x:y", placement=SharedProcess())
    asking = state()
    standing: Any = asking.runtime
    standing.knows = lambda engine: True
    standing.scheduler = lambda engine: SimpleNamespace(
        engine=placed if shared else EmbeddingModel(engine)
    )
    for _ in range(ENOUGH + 1):
        ended = record(call(DIRECT))
        ended.ran_ahead = False
        asking.note(ended)
    asking.totals()
    assert any(asking.rest.lets_through() for _ in range(2)) is not shared


def at(now: float, judged: AcceleratedState, *made: EngineCall) -> str:
    """What is said of it after a call that ends at a time."""
    standing: Any = judged.runtime
    standing.now = now
    judged.note(record(*made, ended=now))
    return judged.switched_off or judged.on_trial


def test_a_switch_off_is_tried_again_and_lasts_twice_as_long_if_that_fails() -> None:
    judged = state()
    assert at(100.0, judged, *calls(0, 20)).endswith("tried again in 60 s")
    assert at(130.5, judged, *calls(0, 20)).endswith("tried again in 30 s")
    assert at(160.0, judged).endswith("tolerated); tried for the 1st time")
    assert judged.runs_ahead
    assert at(161.0, judged, *calls(9, 1)).endswith("tried for the 1st time")
    assert at(162.0, judged, *calls(0, 1)).endswith("tried again in 120 s")
    assert "2 of the last 11 results" in judged.switched_off
    assert at(282.0, judged).endswith("tried for the 2nd time")
    assert at(283.0, judged, *calls(0, 20)).endswith("tried again in 240 s")


def test_it_is_off_for_an_hour_at_most() -> None:
    judged, now = state(), 0.0
    for _ in range(12):
        assert at(now, judged, *calls(0, 20))
        now += 3600.0
    assert judged.switched_off.endswith("tried again in 3600 s")


def test_a_trial_that_goes_well_switches_it_on() -> None:
    judged = state()
    at(0.0, judged, *calls(0, 20))
    assert at(60.0, judged, *calls(18, 1))
    assert at(61.0, judged, *calls(1)) == ""
    assert at(62.0, judged, *calls(0, 20)).endswith("tried again in 120 s")
    assert at(182.0, judged, *calls(200)) == ""
    assert at(183.0, judged, *calls(200)) == ""
    assert at(184.0, judged, *calls(0, 200)).endswith("tried again in 60 s")


def test_explain_and_stats_tell_of_a_trial() -> None:
    judged = state(switched_off="it was asked to")
    at(71.0, judged)
    told = "it was asked to; tried for the 1st time."
    assert f"Run-ahead was switched off for this object: {told}" in explain_state(judged).notes
    assert str(stats_state(judged)).endswith(f"Run-ahead was switched off: {told}")


def test_nothing_is_judged_before_twenty_calls_ahead() -> None:
    assert state(record(*calls(0, 19))).switched_off == ""


def test_five_percent_unused_are_tolerated() -> None:
    assert state(record(*calls(19, 1))).runs_ahead


def test_only_the_last_two_hundred_calls_ahead_count() -> None:
    judged = state(record(*calls(0, 10)), record(*calls(190)), record(*calls(200)))
    assert judged.runs_ahead
    judged = state(record(*calls(10, 10)))
    judged.note(record(*calls(1000)))
    assert not judged.runs_ahead, "what ends while it is off is no trial"


def test_own_calls_and_prefix_warms_are_no_evidence() -> None:
    others = [call(DIRECT), call(Outcome.WARM), call(HIT, fused=True), call(Outcome.AHEAD)]
    assert state(record(*calls(0, 19), *others * 20)).runs_ahead


def test_the_first_reason_for_switching_off_stays() -> None:
    judged = state()
    judged.switch_off("its answers changed")
    judged.switch_off("something else")
    judged.note(record(*calls(0, 30)))
    assert judged.switched_off == "its answers changed; tried again in 60 s"


def test_as_many_calls_are_remembered_as_the_runtime_says() -> None:
    records = [record() for _ in range(5)]
    remembered = state(*records, history=2)
    assert remembered.history() == tuple(records[-2:])
    assert remembered.totals().calls == 5


def test_a_wasted_result_stands_against_one_own_call_of_the_same_engine() -> None:
    totals = state(
        record(
            call(WASTED),
            call(DIRECT),
            call(DIRECT),
            call(WASTED, engine="pg"),
            call(DIRECT, engine="other"),
        )
    ).totals()
    assert (totals.missed, totals.direct, totals.wasted) == (1, 2, 2)


def test_fused_calls_are_the_originals_own() -> None:
    fused = [call(HIT, fused=True, batch=4, waited=0.1) for _ in range(3)]
    totals = state(record(*fused, call(batch=2))).totals()
    assert (totals.hits, totals.direct, totals.fused, totals.batched) == (1, 3, 3, 4)


def test_seconds_are_kept_by_primitive_and_engine() -> None:
    totals = state(
        record(
            call(waited=0.02),
            call(DIRECT, waited=0.1),
            call(primitive="search.search", engine="pg"),
            call(primitive="nobody knows", engine="pg"),
        )
    ).totals()
    row = totals.primitives[Op.EMBEDDING, "minilm"]
    assert row.calls == 2
    assert [row.seconds, row.waited] == pytest.approx([0.2, 0.12])
    assert set(totals.primitives) == {
        (Op.EMBEDDING, "minilm"),
        (Op.SEARCHING, "pg"),
        (Op.HOST, "pg"),
    }
    assert totals.saved == pytest.approx(0.08 + 0.1 + 0.1)


def test_totals_are_a_copy() -> None:
    kept = state(record(call()))
    before = kept.totals()
    kept.note(record(call()))
    assert before.primitives[Op.EMBEDDING, "minilm"].calls == 1


def test_a_deep_copy_of_the_object_shares_the_state() -> None:
    kept = state(record(call()))
    assert copy.deepcopy({"state": kept})["state"] is kept


def test_calls_may_be_noted_from_many_threads() -> None:
    shared = state()

    def note() -> None:
        for _ in range(50):
            shared.note(record(call()))

    threads = [threading.Thread(target=note) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats_state(shared).hits == 400
