import pytest

from ayo_bridge.observe.wording import columns, counted, duration, gain, ranges


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.00004, "0.0 ms"),
        (0.0042, "4.2 ms"),
        (0.00996, "10 ms"),
        (0.412, "412 ms"),
        (0.9999, "1.00 s"),
        (2.5, "2.50 s"),
        (-0.004, "-4.0 ms"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_gains_have_a_sign() -> None:
    assert (gain(0.2), gain(-0.2), gain(0.0), gain(None)) == ("+200 ms", "-200 ms", "0.0 ms", "")


def test_plurals() -> None:
    assert (counted(1, "call"), counted(0, "call")) == ("1 call", "0 calls")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a[0]", "a[1]"], "a[0], a[1]"),
        (["a[0]", "a[1]", "a[2]"], "a[0-2]"),
        (["a[0]", "b", "a[2]", "a[1]", "a[9]"], "a[0-2,9], b"),
        ([f"q.{i}.x" for i in range(12)], "q.{0-11}.x"),
        ([f"p[{i}][{j}]" for i in range(2) for j in range(3)], "p[0][0-2], p[1][0-2]"),
        (["a", "b", "c", "d", "e", "f"], "a, b, c and 3 more"),
        (["a", "a", "a"], "a"),
        (["a[0]", "a[00]", "a[x]", "a[]"], "a[0], a[00], a[x], a[]"),
    ],
)
def test_names_that_differ_in_one_number_are_put_together(names: list[str], text: str) -> None:
    assert ranges(names) == text


def test_empty_columns_take_no_room() -> None:
    assert columns([("a", "", "1"), ("bb", "", "22")], right="llr") == ["  a    1", "  bb  22"]
    assert columns([]) == []


def test_words_beyond_80_columns_go_on_below_the_last_column() -> None:
    words = "a reason of so many words that it does not fit on one line of a terminal at all"
    first, *rest = columns([("refused", words)])
    assert max(map(len, [first, *rest])) <= 80
    assert [line[:11].strip() for line in rest] == [""] * len(rest)
    assert " ".join(line[11:] for line in [first, *rest]) == words
    (line,) = columns([("n" * 70, "1234567890")], right="lr")
    assert line.endswith("1234567890"), "numbers stay in their line"
