"""Predictions come one by one, as soon as their values are known, and never twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.render import render
from ayo_bridge.learn.replay import enough, replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Item, Result, Trace, Vector
from tests.learn.apps import App, Recorder, known_of, learned, question, record, words
from tests.learn.test_lists import a_visit_a_line, branch_taken


def summaries(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=3)
    texts = [r.llm("c", f"Sum up: {item.text}") for item in items]
    r.llm("d", "Combine: " + " ".join(texts))


@pytest.fixture(scope="module")
def template() -> Template:
    return learned(summaries)


def found(*texts: str) -> Result:
    return Result(items=tuple(Item(text, f"id-{text}") for text in texts))


def sites(predicted: list[Predicted]) -> list[tuple[str, int]]:
    return [(each.site, each.visit) for each in predicted]


def test_a_call_is_predicted_step_by_step(template: Template) -> None:
    known = known_of("Why?")
    assert sites(template.predict(known)) == [("a", 0)]
    assert template.predict(known) == []
    known.result("a", 0, Result(vectors=(Vector("vector:1", (0.5,)),)))
    (search,) = template.predict(known)
    assert json.loads(search.request) == {"k": 3, "store": "main", "vector": "vector:1"}
    assert search.depends_on == {("a", 0)}
    known.result("b", 0, found("One.", "Two.", "Three."))
    assert sites(due := template.predict(known)) == [("c", 0), ("c", 1), ("c", 2)]
    assert "Two." in due[1].request
    assert due[1].depends_on == {("b", 0)}
    for visit in (2, 0):
        known.result("c", visit, Result(text=f"Short {visit}."))
        assert template.predict(known) == []
    known.result("c", 1, Result(text="Short 1."))
    (last,) = template.predict(known)
    assert "Combine: Short 0. Short 1. Short 2." in last.request
    assert last.depends_on == {("c", 0), ("c", 1), ("c", 2)}


def test_what_the_original_asks_itself_is_not_predicted(template: Template) -> None:
    known = known_of("Why?")
    known.asked("a", 0)
    assert template.predict(known) == []
    known.result("b", 0, found("One.", "Two.", "Three."))
    known.result("c", 1, Result(text="Done."))
    assert sites(template.predict(known)) == [("c", 0), ("c", 2)]


def test_a_call_that_failed_ends_what_depends_on_it(template: Template) -> None:
    known = known_of("Why?")
    template.predict(known)
    known.result("a", 0, None)
    assert template.predict(known) == []


def test_only_what_waits_for_the_new_result_is_tried_again(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def counting(*args: Any) -> str:
        tried.append(args[0])
        return render(*args)

    known = known_of("Why?")
    template.predict(known)
    known.result("a", 0, Result(vectors=(Vector("vector:1", (0.5,)),)))
    template.predict(known)
    known.result("b", 0, found("One.", "Two.", "Three."))
    template.predict(known)
    monkeypatch.setattr("ayo_bridge.learn.predict.render", counting)
    known.result("unknown site", 0, Result(text="?"))
    template.predict(known)
    assert tried == []
    known.result("c", 0, Result(text="Short."))
    template.predict(known)
    assert len(tried) == 1


def test_a_visit_of_the_other_site_brings_the_next_one_along() -> None:
    def pairs(r: Recorder, query: str) -> None:
        for number in range(1 + len(words(query)) % 3):
            answer = r.llm("a", f"Draft {query} {words(f'{query}{number}')}")
            r.llm("b", f"Check '{answer}'")

    template = learned(pairs, 8)
    known = known_of("Why?")
    known.result("a", 0, Result(text="Some text."))
    assert sites(template.predict(known)) == [("b", 0)]
    known.result("a", 1, Result(text="Other text."))
    assert sites(template.predict(known)) == [("b", 1)]


def test_what_comes_after_a_site_that_was_not_visited_is_not_waited_for() -> None:
    template = learned(branch_taken, 8)
    known = known_of("Why?")
    known.result("a", 0, Result(text="Clear."))
    assert sites(template.predict(known)) == [("d", 0)]
    known.ended("b")
    assert template.predict(known) == []
    assert known.counts["c"] == 0


def test_a_call_ahead_makes_a_replay_shorter_by_what_runs_side_by_side(template: Template) -> None:
    replayed = replay(template, record(summaries, question(40)), overhead=0.0)
    assert not replayed.missed
    assert replayed.before == pytest.approx(0.6)
    assert replayed.after == pytest.approx(0.4)
    assert replayed.worthwhile


def test_a_chain_gains_nothing_by_a_replay() -> None:
    def chain(r: Recorder, query: str) -> None:
        r.llm("b", f"Shorten: {r.llm('a', f'Answer: {query}')}")

    replayed = replay(learned(chain), record(chain, question(40)))
    assert len(replayed.exact) == 2
    assert replayed.after == pytest.approx(replayed.before)
    assert not replayed.worthwhile


def one_after_two(r: Recorder, query: str) -> None:
    """The second and the third call come from one place; the first answer is a list of one line."""
    one, two = r.llm("a", f"Causes of {query}"), r.llm("b", f"Effects of {query}")
    r.llm("b", f"Join {one} and {two}")


def an_outline_and_more(r: Recorder, query: str) -> None:
    lines = [f"{at}. {words(f'{query}{at}')}" for at in range(1 + len(query) % 3)]
    outline = r.llm("a", f"Outline {query}", "\n".join(lines))
    r.llm("b", f"Introduce {query}")
    for line in outline.split("\n"):
        r.llm("b", f"Write of {line}")


@pytest.mark.parametrize("app", [one_after_two, an_outline_and_more])
def test_a_visit_made_however_many_there_are_does_not_wait_for_what_says_how_many(app: App) -> None:
    template = learned(app, 6)
    first = {each.site: each for each in template.predict(known_of("Why?"))}
    assert first["b"].visit == 0
    assert first["b"].depends_on == frozenset()
    replayed = replay(template, record(app, question(40)), overhead=0.0)
    assert not replayed.missed
    assert not replayed.false
    assert replayed.after == pytest.approx(0.2)


def test_visits_that_a_list_tells_of_are_made_of_it() -> None:
    known = known_of("Why?")
    template = learned(an_outline_and_more, 6)
    template.predict(known)
    known.result("a", 0, Result(text="1. One thing.\n2. Another."))
    due = template.predict(known)
    assert sites(due) == [("b", 1), ("b", 2)]
    assert all(each.depends_on == {("a", 0)} for each in due)


def test_the_programs_own_work_is_not_gained(template: Template) -> None:
    trace = record(summaries, question(40))
    slow = Trace(trace.inputs, trace.calls, trace.seconds + 3.0)
    assert replay(template, slow, overhead=0.0).after == pytest.approx(3.4)


def test_edges_go_from_results_to_the_requests_made_of_them(template: Template) -> None:
    assert template.edges == {("a", "b"), ("b", "c"), ("c", "d")}
    assert [each.site for each in template.sites] == ["a", "b", "c", "d"]
    assert ("a", "b") in learned(a_visit_a_line, 5).edges


def test_the_known_beginning_of_a_request_grows_with_what_is_known() -> None:
    def traced(r: Recorder, query: str) -> None:
        answer = r.llm("a", f"Answer: {query}")
        r.llm("b", f"Question: {query} Answer: {answer} Id: {words(query + 'x', 1)}")

    template = learned(traced)
    known = known_of("Why?")
    start = '{"messages": [{"content": "Question: Why? Answer: '
    assert template.prefix(known, "b", 0) == start
    known.result("a", 0, Result(text="So."))
    assert template.prefix(known, "b", 0) == f"{start}So. Id: "
    assert template.prefix(known, "unknown", 0) == ""
    assert template.prefix(known, "b", 3) == ""


@pytest.mark.parametrize(
    ("won", "of", "is_enough"),
    [
        (0.004, 0.01, False),  # Less than it costs,
        (0.006, 0.1, True),  # or 5 % and more:
        (0.006, 0.2, False),
        (0.021, 1.0, True),  # of a long call 2 %,
        (0.019, 0.9, False),  # if they are enough seconds.
        (0.1, 6.0, False),
        (0.13, 6.0, True),
    ],
)
def test_of_a_long_call_a_smaller_share_is_enough(won: float, of: float, is_enough: bool) -> None:
    assert enough(won, of) is is_enough
