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
    assert "0 calls, 0 engine calls" in str(stats)


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
RetrieverQueryEngine: 1 call, 3 engine calls
  hits            1  computed ahead: 33.3% of the calls
  direct          2  made by the original, not computed ahead
  missed          0  made by the original, computed ahead in vain
  wasted          0  computed ahead, never asked for
  dropped         0  failed ahead; with the wasted 0.0% of the work ahead
  cancelled       0  ahead in calls that did not come to an end
  warms           0  prefixes prefilled early
  fused           2  of the original's own calls, scheduled with others; mean batch 2.0
  saved       90 ms  engine time the original did not wait for
  waited     510 ms  engine time it did wait for

  primitive  engine  calls    took  waited
  embedding  minilm      3  500 ms  510 ms

Run-ahead is switched off: it was asked to; tried again in 60 s."""
