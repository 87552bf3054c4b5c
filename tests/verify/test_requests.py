"""Which requests of two calls are not the same: all that differ, but for the digits of vectors."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable

import pytest

from ayo_bridge.verify.requests import unlike


def search(*vector: float, k: int = 2) -> Hashable:
    return "store:notes", 3, vector, k


def packed(*vector: float) -> Hashable:
    return "store:notes", "search", (array("d", vector).tobytes(), None)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (search(0.5, -0.25), search(0.5, -0.2500001)),
        (packed(0.5, -0.25), packed(0.5000001, -0.25)),
        ("the same", "the same"),
    ],
)
def test_searches_by_vectors_whose_last_digits_differ_are_the_same(
    before: Hashable, now: Hashable
) -> None:
    assert unlike(Counter([before]), Counter([now])) == ([], [])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (search(0.5, -0.25), search(0.5, -0.2501)),
        (search(0.5, -0.25), search(0.5, -0.25, k=3)),
        (search(0.5, -0.25), search(0.5)),
        (packed(0.5, -0.25), packed(0.5, -0.2501)),
        (("llm", b"prompt a"), ("llm", b"prompt b")),
        (("llm", b"a prompt"), ("llm", b"b prompt")),
        (("llm", "a"), ("llm", "b")),
    ],
)
def test_all_other_requests_are_not(before: Hashable, now: Hashable) -> None:
    assert unlike(Counter([before]), Counter([now])) == ([before], [now])


def test_each_request_stands_for_one() -> None:
    one, near, far = search(0.5), search(0.5000001), search(0.6)
    assert unlike(Counter([one, one]), Counter([near, far])) == ([one], [far])
    assert unlike(Counter([one]), Counter([one, near])) == ([], [near])
