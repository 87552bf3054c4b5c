"""Items of an answer feed the calls that are made of them while it is still being written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ayo_bridge.learn.count import Chunks, Fixed, Length
from ayo_bridge.learn.growing import VIEWS, Growing, Grows, feeding
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.program import EVERY, Const, Index, Join, Program, Ref, Span, Term
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result, Trace, TracedCall, Vector
from ayo_bridge.learn.values import Path, part_of


def _of(*place: str | int | Index) -> Ref:
    return Ref((Term(place),))


def _loop(view: str, *below: str | int | Index) -> Template:
    """A plan of the question, and a call of each member of its list."""
    plan = Program((Const("plan "), _of("in", "q")))
    part = Program((Const("part "), _of("at", "plan", 0, view, *below[:-1], Index("visit"))))
    count = Length(("at", "plan", 0, view, *below[:-1]))
    return Template(
        (
            _site("plan", plan, Fixed(1), Selector(0, 0)),
            _site("part", part, count, Selector()),
        )
    )


def _site(
    name: str, program: Program, count: Fixed | Length | Chunks, selector: Selector
) -> LearnedSite:
    classes = (LearnedClass(selector, program, 4, 4),)
    return LearnedSite(name, Kind.LLM, classes, count, Status.LEARNED)


def _seen(answer: str, view: str = "lines", *below: str) -> list[tuple[str, list[str]]]:
    """After which text which requests were sent, where the original asks each at once."""
    template = _loop(view, *below, 0)
    foresight = Foresight(template, {"q": "x"})
    foresight.ready(lambda each: True)
    foresight.asked("plan", (), "plan x")
    reader, seen = Growing({view}), []
    for end in range(len(answer) + 1):
        if end == len(answer):
            foresight.answered(("plan", 0), Result(answer), own=True)
        elif (parts := reader.feed(answer[:end])) is not None:
            foresight.grown(("plan", 0), parts, own=True)
        while due := [each.request for each in foresight.ready(lambda each: True)]:
            seen.append((answer[:end], due))
            for request in due:
                foresight.asked("part", (), request)
    assert foresight.refuted == set()
    return seen


def test_a_line_that_has_ended_is_asked_about_before_the_answer_has() -> None:
    assert _seen("first\n second \nthird") == [
        ("first\n", ["part first"]),
        ("first\n second \n", ["part second"]),
        ("first\n second \nthird", ["part third"]),
    ]


def test_a_member_of_a_json_list_is_asked_about_once_it_is_closed() -> None:
    assert _seen('so:\n["a, b", "c\\"d", "e"]', "json") == [
        ('so:\n["a, b"', ["part a, b"]),
        ('so:\n["a, b", "c\\"d"', ['part c\\"d']),
        ('so:\n["a, b", "c\\"d", "e"', ["part e"]),
    ]


def test_a_long_document_is_not_read_again_for_each_of_its_members() -> None:
    answer = json.dumps([{"part": f"number {at}"} for at in range(500)])
    reader, read = Growing({"json"}), 0
    for end in range(len(answer)):
        read += reader.feed(answer[:end]) is not None
    assert 20 < read < 100


def test_a_list_in_an_object_is_asked_about_member_by_member() -> None:
    assert _seen('{"of": "x", "all": [1, 22, 3], "n": 3}', "json", "all") == [
        ('{"of": "x", "all": [1,', ["part 1"]),
        ('{"of": "x", "all": [1, 22,', ["part 22"]),
        ('{"of": "x", "all": [1, 22, 3]', ["part 3"]),
    ]


def test_an_item_that_the_whole_answer_does_not_have_counts_against_its_site() -> None:
    foresight = Foresight(_loop("json", 0), {"q": "x"})
    foresight.ready(lambda each: True)
    foresight.asked("plan", (), "plan x")
    reader, answer = Growing({"json"}), '["a", "b"] and [more]'
    parts = reader.feed(answer[:6])
    assert parts is not None
    foresight.grown(("plan", 0), parts, own=True)
    assert [each.request for each in foresight.ready(lambda each: True)] == ["part a"]
    foresight.answered(("plan", 0), Result(answer), own=True)
    assert foresight.ready(lambda each: True) == []
    assert foresight.refuted == {"part"}


def test_nothing_is_built_on_an_answer_ahead_that_is_unclaimed_and_unconfirmed() -> None:
    foresight = Foresight(_loop("lines", 0), {"q": "x"})
    assert [each.request for each in foresight.ready(lambda each: True)] == ["plan x"]
    parts = Growing({"lines"}).feed("first\n")
    assert parts is not None
    foresight.grown(("plan", 0), parts, own=False)
    assert foresight.ready(lambda each: True) == []
    foresight.asked("plan", (), "plan x")
    assert [each.request for each in foresight.ready(lambda each: True)] == ["part first"]


def test_a_chunk_of_a_list_is_asked_about_once_it_is_full() -> None:
    lines: tuple[str | int | Index, ...] = ("at", "plan", 0, "lines")
    span = Span(Term((*lines, EVERY)), chunk=2)
    several = Program((Const("part "), Join((span,), Program((Const("+"),)))))
    plan = Program((Const("plan "), _of("in", "q")))
    template = Template(
        (
            _site("plan", plan, Fixed(1), Selector(0, 0)),
            _site("part", several, Chunks(lines, 2), Selector()),
        )
    )
    foresight = Foresight(template, {"q": "x"})
    foresight.ready(lambda each: True)
    foresight.asked("plan", (), "plan x")
    reader, sent = Growing({"lines"}), []
    for text in ("a\n", "a\nb\n", "a\nb\nc\n"):
        parts = reader.feed(text)
        assert parts is not None
        foresight.grown(("plan", 0), parts, own=True)
        sent.append([each.request for each in foresight.ready(lambda each: True)])
    foresight.asked("part", (), "part a+b")
    foresight.answered(("plan", 0), Result("a\nb\nc\n"), own=True)
    sent.append([each.request for each in foresight.ready(lambda each: True)])
    assert sent == [[], ["part a+b"], [], ["part c"]]


def test_the_answers_that_feed_loops_are_known_by_the_template() -> None:
    assert feeding(_loop("bare", 0)) == {"plan": {"bare"}}
    assert feeding(Template((_loop("lines", 0).sites[0],))) == {}


_FEW = settings(max_examples=40, deadline=None)
_LEAF = st.text(max_size=8) | st.integers() | st.booleans() | st.none()
_JSON = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
)


def _certain(answer: str) -> tuple[dict[str, dict[Path, str]], dict[str, dict[Path, int]]]:
    """All that was ever certain of an answer, and the lengths of its lists at the last."""
    reader = Growing(VIEWS)
    texts: dict[str, dict[Path, str]] = {}
    lengths: dict[str, dict[Path, int]] = {}
    for end in range(len(answer)):
        for name, part in (reader.feed(answer[:end]) or {}).items():
            for path, text in part.texts.items():
                assert texts.setdefault(name, {}).setdefault(path, text) == text
            lengths[name] = dict(part.lengths)
    return texts, lengths


@pytest.mark.parametrize("around", ["{}", "Here:\n```json\n{}\n```", "{} as asked\n"])
@_FEW
@given(document=st.dictionaries(st.text(), _JSON, max_size=3) | st.lists(_JSON, max_size=5))
def test_what_was_certain_of_a_document_is_in_the_whole(around: str, document: object) -> None:
    answer = around.replace("{}", json.dumps(document, ensure_ascii=False))
    texts, lengths = _certain(answer)
    for name, found in texts.items():
        whole = part_of(Result(answer), name)
        assert found.items() <= whole.texts.items()
        for path, length in lengths[name].items():
            assert length <= whole.lengths.get(path, 0)


@_FEW
@given(st.lists(st.text(), max_size=6).map("\n".join))
def test_what_was_certain_of_a_text_is_there_in_the_whole(answer: str) -> None:
    texts, _ = _certain(answer)
    for name in ("lines", "bare"):
        assert texts.get(name, {}).items() <= part_of(Result(answer), name).texts.items()


# What it wins, by the virtual clock.


def _looped(kind: Kind, answer: Result, asked: Sequence[str]) -> Trace:
    """A question, what is made of it in 0.8 s, and a call of 0.1 s for each of its members."""
    plan = TracedCall("plan", (), kind, "plan x", answer, began=0, ended=1, seconds=0.8)
    parts = [
        TracedCall("part", (), Kind.LLM, request, Result("told"), 2 * at, 2 * at + 1, 0.1)
        for at, request in enumerate(asked, 1)
    ]
    return Trace({"q": "x"}, (plan, *parts), seconds=0.8 + 0.1 * len(parts))


def test_more_items_than_go_ahead_at_once_are_half_done_when_their_answer_ends() -> None:
    answer = "\n".join(f"point {at}" for at in range(8))
    trace = _looped(Kind.LLM, Result(answer), [f"part point {at}" for at in range(8)])
    whole = replay(_loop("lines", 0), trace, 0.0, Grows(slots=4))
    grows = Grows(rebuilt=frozenset({"plan"}), slots=4)
    growing = replay(_loop("lines", 0), trace, 0.0, grows)
    assert growing.exact == whole.exact
    assert not growing.false
    assert [whole.before, whole.after, growing.after] == pytest.approx([1.6, 1.0, 0.9])


def test_where_all_items_go_ahead_at_once_nothing_is_won_by_those_before_the_last() -> None:
    answer = "\n".join(f"point {at}" for at in range(8))
    trace = _looped(Kind.LLM, Result(answer), [f"part point {at}" for at in range(8)])
    whole = replay(_loop("lines", 0), trace, 0.0)
    growing = replay(_loop("lines", 0), trace, 0.0, Grows(rebuilt=frozenset({"plan"})))
    assert growing.after == pytest.approx(whole.after) == pytest.approx(0.9)


def test_texts_embedded_in_stages_are_searched_with_meanwhile() -> None:
    vectors = tuple(Vector(f"v{at}", (float(at),)) for at in range(8))
    trace = _looped(Kind.EMBEDDING, Result(vectors=vectors), [f"part v{at}" for at in range(8)])
    plan, part = _loop("vectors", 0).sites
    template = Template((replace(plan, kind=Kind.EMBEDDING), part))
    assert feeding(template) == {"plan": {"vectors"}}
    staged = replay(template, trace, 0.0, Grows(stages={"plan": 4}, slots=4))
    assert not staged.false
    assert replay(template, trace, 0.0, Grows(slots=4)).after == pytest.approx(1.0)
    assert staged.after == pytest.approx(0.9)
