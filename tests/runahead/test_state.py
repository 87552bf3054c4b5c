import copy
import threading

import pytest

from ayo_bridge.graph import Op
from ayo_bridge.observe import stats_state
from ayo_bridge.seam import EngineCall, Outcome
from tests.observe.states import call, record, state

HIT, DIRECT, WASTED = Outcome.HIT, Outcome.DIRECT, Outcome.WASTED


def calls(hits: int, wasted: int = 0, dropped: int = 0) -> list[EngineCall]:
    return [
        *(call() for _ in range(hits)),
        *(call(WASTED) for _ in range(wasted)),
        *(call(Outcome.DROPPED) for _ in range(dropped)),
    ]


@pytest.mark.parametrize(("hits", "wasted", "dropped"), [(17, 2, 1), (0, 20, 0), (18, 1, 1)])
def test_too_much_unused_work_switches_run_ahead_off(hits: int, wasted: int, dropped: int) -> None:
    judged = state(record(*calls(hits, wasted, dropped)))
    assert f"{wasted + dropped} of the last 20 results" in judged.switched_off
    assert not judged.runs_ahead


def test_nothing_is_judged_before_twenty_calls_ahead() -> None:
    assert state(record(*calls(0, 19))).switched_off == ""


def test_five_percent_unused_are_tolerated() -> None:
    assert state(record(*calls(19, 1))).runs_ahead


def test_only_the_last_two_hundred_calls_ahead_count() -> None:
    judged = state(record(*calls(0, 10)), record(*calls(190)), record(*calls(200)))
    assert judged.runs_ahead
    judged = state(record(*calls(10, 10)))
    judged.note(record(*calls(1000)))
    assert not judged.runs_ahead, "switched off is switched off"


def test_own_calls_and_prefix_warms_are_no_evidence() -> None:
    others = [call(DIRECT), call(Outcome.WARM), call(HIT, fused=True), call(Outcome.AHEAD)]
    assert state(record(*calls(0, 19), *others * 20)).runs_ahead


def test_the_first_reason_for_switching_off_stays() -> None:
    judged = state()
    judged.switch_off("its answers changed")
    judged.switch_off("something else")
    judged.note(record(*calls(0, 30)))
    assert judged.switched_off == "its answers changed"


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
