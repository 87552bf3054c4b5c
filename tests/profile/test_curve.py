import pytest
from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.profile import Curve, max_efficient_batch, measure_batches


def test_between_points_it_interpolates_and_beyond_it_follows_the_last_two() -> None:
    curve = Curve.of([(8, 0.8), (2, 0.2), (4, 0.6)])
    assert curve.seconds(4) == 0.6
    assert curve.seconds(3) == pytest.approx(0.4)
    assert curve.seconds(16) == pytest.approx(1.2)
    assert curve.seconds(1) == pytest.approx(0.0)


def test_a_falling_end_does_not_make_large_batches_free() -> None:
    assert Curve.of([(1, 0.2), (2, 0.1)]).seconds(100) == pytest.approx(0.1)


def test_one_point_takes_batching_to_pay_and_never_scales_down() -> None:
    curve = Curve.of([(4, 1.0)])
    assert curve.seconds(8) == 1.25
    assert curve.seconds(1) == 1.0


@given(
    st.dictionaries(st.integers(1, 512), st.floats(0, 10), min_size=1, max_size=8),
    st.integers(1, 4096),
)
def test_no_estimate_is_negative(points: dict[int, float], size: int) -> None:
    assert Curve.of(points.items()).seconds(size) >= 0


@pytest.mark.parametrize("points", [(), ((0, 1.0),), ((2, 1.0), (1, 1.0)), ((1, -1.0),)])
def test_what_is_no_curve_is_refused(points: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(points)


def test_b_star_is_where_doubling_stops_paying() -> None:
    points = [(1, 1.0), (2, 1.1), (4, 1.5), (8, 2.7), (16, 5.4)]
    assert max_efficient_batch(points) == 8
    assert max_efficient_batch(points, min_gain=0.2) == 4


def test_b_star_is_unknown_while_throughput_still_rises() -> None:
    assert max_efficient_batch([(1, 1.0), (2, 1.0), (4, 1.0)]) is None
    assert max_efficient_batch([]) is None


def test_measuring_doubles_until_it_stops_paying_and_takes_the_median() -> None:
    asked: list[int] = []

    def run(size: int) -> float:
        asked.append(size)
        outlier = 5.0 if asked.count(size) == 3 else 0.0
        return 1.0 * max(size, 4) + outlier

    curve = measure_batches(run, repeats=3)
    assert curve.points == ((1, 4.0), (2, 4.0), (4, 4.0), (8, 8.0))
    assert asked == [size for size in (1, 2, 4, 8) for _ in range(4)]
    assert max_efficient_batch(curve.points) == 4


def test_measuring_stops_at_the_limit() -> None:
    assert [size for size, _ in measure_batches(lambda _: 1.0, 20, repeats=1).points] == [
        1,
        2,
        4,
        8,
        16,
    ]
