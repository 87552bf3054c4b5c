import json

import pytest

from ayo_bridge.observe import stats_state
from ayo_bridge.seam import Outcome
from tests.observe.states import call, record, state


def test_rates_are_shares_of_the_originals_calls_and_of_the_work_ahead() -> None:
    stats = stats_state(
        state(
            record(
                *(call() for _ in range(6)),
                call(Outcome.DIRECT),
                call(Outcome.WASTED),
                call(Outcome.DROPPED),
                call(Outcome.DIRECT),
            )
        )
    )
    assert stats.hit_rate == pytest.approx(6 / 8)
    assert stats.wasted_rate == pytest.approx(2 / 8)
    assert (stats.direct, stats.missed) == (0, 2)


def test_nothing_divides_by_zero_before_the_first_call() -> None:
    stats = stats_state(state())
    assert (stats.hit_rate, stats.wasted_rate, stats.mean_fused_batch) == (0.0, 0.0, 0.0)
    assert "0 calls, which needed 0 results of engines" in str(stats)


def test_batches_of_one_are_not_fused() -> None:
    stats = stats_state(state(record(call(batch=4), call(batch=2), call(batch=1))))
    assert stats.mean_fused_batch == pytest.approx(3.0)


def test_it_goes_into_json() -> None:
    plain = json.loads(json.dumps(stats_state(state(record(call()))).to_dict()))
    assert plain["hit_rate"] == 1.0
    assert plain["primitives"][0]["op"] == "embedding"


def test_it_reads_as_a_table() -> None:
    fused = [call(fused=True, batch=2, seconds=0.2, waited=0.25) for _ in range(2)]
    stats = stats_state(state(record(call(waited=0.01), *fused), switched_off="it was asked to"))
    assert str(stats) == GOLDEN


GOLDEN = """\
RetrieverQueryEngine: 1 call, which needed 3 results of engines
  made ahead              1  there or on its way when asked for: 33.3%
  made when asked         2  the original's own calls, nothing was ahead
  in shared batches       2  own calls, run with others, 2.0 on average
  saved               90 ms  engine time not waited for; side by side it adds up
  waited             510 ms  engine time waited for

  what       engine  calls  worked  waited for
  embedding  minilm      3  500 ms      510 ms

Run-ahead is switched off: it was asked to; tried again in 60 s."""


def test_what_went_wrong_is_told_only_where_it_did() -> None:
    said = str(stats_state(state(record(call(), call(Outcome.WASTED), call(Outcome.DIRECT)))))
    assert "asked otherwise         1" in said
    assert "ahead, never used       1  50.0% of the work ahead was in vain" in said
    assert "failed ahead" not in said
