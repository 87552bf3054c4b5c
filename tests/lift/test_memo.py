"""A memo returns what its function does, stays small, and can be shared by threads."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.lift.memo import Remembered


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@given(st.lists(st.text(max_size=80)))
def test_what_is_remembered_is_what_the_function_returns(texts: list[str]) -> None:
    memo = Remembered(letters, most=3)
    assert [memo(text) for text in texts * 2] == [letters(text) for text in texts * 2]
    assert len(memo) <= 6


def test_short_texts_are_asked_for_once_and_long_ones_are_not_kept() -> None:
    asked: list[str] = []

    def counted(text: str) -> list[int]:
        asked.append(text)
        return letters(text)

    memo = Remembered(counted)
    for text in ("a", "a", "b" * 65, "b" * 65):
        memo(text)
    assert asked == ["a", "b" * 65, "b" * 65]
    assert len(memo) == 1


def test_a_caller_may_change_its_result() -> None:
    memo = Remembered(letters)
    memo("ab").clear()
    assert memo("ab") == letters("ab")


def test_threads_share_one_memo() -> None:
    memo = Remembered(letters, most=10)
    texts = [str(i % 40) for i in range(4000)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(memo, texts)) == list(map(letters, texts))
    assert len(memo) <= 20 + 8
