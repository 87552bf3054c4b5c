from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.observe.lanes import pack, union

INTERVALS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1]))
)


@given(INTERVALS)
def test_lanes_hold_no_overlap_and_are_as_few_as_possible(intervals: list[tuple[int, int]]) -> None:
    lanes = pack(intervals)
    for moment in range(71):
        busy = [
            lane
            for (start, end), lane in zip(intervals, lanes, strict=True)
            if start <= moment < end
        ]
        assert len(set(busy)) == len(busy)
    most = max((sum(s <= m < e for s, e in intervals) for m in range(71)), default=0)
    assert max(lanes, default=-1) + 1 == most


@given(INTERVALS)
def test_a_union_covers_the_same_moments_without_overlap(intervals: list[tuple[int, int]]) -> None:
    covered = union(intervals)
    for moment in range(71):
        inside = sum(s <= moment < e for s, e in covered)
        assert inside == any(s <= moment < e for s, e in intervals)
