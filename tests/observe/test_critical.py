"""What is named as the longest thing left, and what would shorten it."""

from ayo_bridge.observe.critical import longest_left
from ayo_bridge.observe.expected import Alone, spared
from ayo_bridge.seam import Outcome
from tests.observe import samples
from tests.observe.states import call, record


def test_the_longest_wait_is_named_with_its_part_and_engine() -> None:
    left = longest_left([samples.fusion()])
    assert left is not None
    assert (left.what, round(left.seconds, 2)) == ("answer, on qwen2.5-7b", 0.26)
    assert left.shorter.startswith("Each writes about 96 tokens: a faster model")


def test_waits_at_the_same_time_count_once() -> None:
    left = longest_left([record(*(call(Outcome.DIRECT, waited=0.9, seconds=0.9) for _ in "abc"))])
    assert left is not None
    assert round(left.seconds, 3) == 0.9


def test_calls_one_after_another_are_said_to_be() -> None:
    calls = [call(Outcome.DIRECT, start=10 + i / 4, seconds=0.2, waited=0.2) for i in range(4)]
    left = longest_left([record(*calls)])
    assert left is not None
    assert left.shorter.startswith("The original makes 4 one after another, none of them ahead: ")


def test_code_between_the_calls_may_be_the_longest() -> None:
    left = longest_left([record(call(Outcome.DIRECT, seconds=0.1, waited=0.1))])
    assert left is not None
    assert (left.what[:13], round(left.seconds, 3)) == ("your own code", 0.9)


def test_where_no_engine_is_asked_nothing_is_named() -> None:
    assert longest_left([record()]) is None
    assert longest_left([]) is None


def test_traced_calls_before_the_first_help_are_not_looked_at() -> None:
    traced = record(call(Outcome.DIRECT, seconds=1.0, waited=1.0), ended=19.0)
    left = longest_left([traced, record(call(seconds=0.8, waited=0.7))])
    assert left is not None
    assert (round(left.seconds, 2), left.of) == (0.7, 1.0)


def test_accelerated_objects_inside_count_once_where_they_ran_side_by_side() -> None:
    def outer(*spans: tuple[float, float]) -> float:
        made = record(ended=14.0)
        for start, end in spans:
            part = record(call(start=start, seconds=1.0), ended=end)
            part.started = start
            made.note_nested(part)
        return spared(made, Alone(made.calls))

    assert outer((10.0, 11.5), (12.0, 13.5)) == 2.0
    assert outer((10.0, 11.5), (11.0, 13.0)) == 1.0
