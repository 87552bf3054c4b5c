"""A line of the program goes through one list and then through another, made in between."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from ayo_bridge.learn.count import Both, Length
from ayo_bridge.learn.describe import describe
from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.positions import sizes_of
from ayo_bridge.learn.program import EVERY
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from tests.learn.apps import App, Recorder, is_exact, known_of, learned, question, record, words
from tests.learn.test_lists import lines_of


def two_rounds(r: Recorder, query: str) -> None:
    """Queries, follow-up queries to all that they found, and a report."""
    lines = lines_of(query, 1, 4)
    r.llm("plan", f"Queries for {query}", "\n".join(lines))
    notes: list[str] = []
    for turn in range(2):
        for line in lines:
            found = r.search("find", r.embed("embed", line), top_k=2)
            texts = "\n".join(item.text for item in found)
            notes.append(r.llm("sum up", f"{line} says:\n{texts}"))
        if turn == 0:
            lines = lines_of(query + "more", 1, 3)
            known = "\n\n".join(notes)
            r.llm("more", f"Known of {query}:\n{known}\nWhat is missing?", "\n".join(lines))
    r.llm("report", f"{query}\n" + "\n\n".join(notes))


def topics_then_people(r: Recorder, query: str) -> None:
    """Two lists of JSON, the second one cut after two, and no search."""
    topics = lines_of(query, 2, 4)
    r.llm("topics", f"Topics of {query}", json.dumps({"topics": topics}))
    said = [r.llm("explain", f"Explain {topic} to a child") for topic in topics]
    people = lines_of(query + "people", 2, 4)
    r.llm("people", f"People in:\n{said[0]}", json.dumps([{"name": name} for name in people]))
    said += [r.llm("explain", f"Explain {name} to a child") for name in people[:2]]
    r.llm("all", "\n".join(said))


def found_then_named(r: Recorder, query: str) -> None:
    """What a search has found, and then what an answer names."""
    items = r.search("find", r.embed("embed", query), top_k=3)
    grades = [r.llm("grade", f"Is this of use?\n{item.text}\nFor: {query}") for item in items]
    names = lines_of(query, 1, 3)
    r.llm("name", f"Name others for {query} than\n" + "\n".join(grades), "\n".join(names))
    for name in names:
        r.llm("grade", f"Is this of use?\n{name}\nFor: {query}")


@pytest.mark.parametrize("app", [two_rounds, topics_then_people, found_then_named])
def test_both_lists_are_gone_through_in_turn(app: App) -> None:
    assert is_exact(app, calls=6)


def test_how_often_is_both_lengths_or_one_with_so_many_more() -> None:
    both = learned(two_rounds, 6).site("embed")
    cut = learned(topics_then_people, 6).site("explain")
    assert both is not None
    assert cut is not None
    assert isinstance(both.count, Both)
    assert isinstance(cut.count, Length)
    assert cut.count.offset == 2


def first_round(template: Template, known: Known) -> set[tuple[str, int]]:
    return {(each.site, each.visit) for each in template.predict(known)}


def test_the_first_list_is_gone_through_before_the_second_one_is_known() -> None:
    query = next(question(n) for n in range(20, 90) if len(lines_of(question(n), 1, 4)) == 3)
    trace = record(two_rounds, query)
    template, known = learned(two_rounds, 6), known_of(query)
    assert first_round(template, known) == {("plan", 0)}
    known.result("plan", 0, trace.calls[0].result)
    assert first_round(template, known) == {("embed", 0), ("embed", 1), ("embed", 2)}


def test_they_are_kept_on_disk_and_told_in_words() -> None:
    template = learned(two_rounds, 6)
    kept = template_from_json(json.loads(json.dumps(template_to_json(template))))
    assert not replay(kept, record(two_rounds, question(77))).missed
    assert "that follow" in describe(kept)
    assert "as many as" in describe(kept)


def test_a_list_that_ends_elsewhere_in_one_call_is_no_bound() -> None:
    def odd(r: Recorder, query: str) -> None:
        lines = lines_of(query, 2, 3)
        r.llm("a", f"Plan: {query}", "\n".join(lines))
        done = lines if query != question(1) else lines[:1]
        for line in done:
            r.llm("b", f"Do: {line}")
        r.llm("b", f"Do: {words(query + 'x')}")

    assert not replay(learned(odd, 6), record(odd, question(77))).false


# Lists in a list.


def grades_of_each_search(r: Recorder, query: str) -> None:
    """For each question a search, for each passage a grade, and an answer by the grades."""
    lines = lines_of(query, 1, 3)
    r.llm("plan", f"Questions on {query}", "\n".join(lines))
    for line in lines:
        items = r.search("find", r.embed("embed", line), top_k=3)
        grades = [r.llm("grade", f"{line}: is this of use?\n{item.text}") for item in items]
        r.llm("answer", f"{line} by these:\n" + "\n".join(grades))


def chapters(r: Recorder, query: str) -> None:
    """Sections of chapters in one document of JSON, each chapter summed up by its sections."""
    made = [
        {"title": title, "sections": lines_of(f"{query}{title}", 1, 3)}
        for title in lines_of(query, 2, 3)
    ]
    r.llm("outline", f"Outline of {query}", json.dumps({"chapters": made}))
    texts = [
        [r.llm("write", f"In {each['title']} write {name}") for name in each["sections"]]
        for each in made
    ]
    sums = [r.llm("sum up", "In short:\n" + "\n\n".join(own)) for own in texts]
    r.llm("preface", f"Preface of {query}:\n" + "\n".join(sums))


@pytest.mark.parametrize("app", [grades_of_each_search, chapters])
def test_lists_in_a_list_are_gone_through_whatever_their_lengths(app: App) -> None:
    template = learned(app, 6)
    assert is_exact(app, calls=6), describe(template)
    kept = template_from_json(json.loads(json.dumps(template_to_json(template))))
    assert not replay(kept, record(app, question(77))).missed


def test_members_of_the_first_lists_do_not_wait_for_the_others() -> None:
    query = next(question(n) for n in range(20, 90) if len(lines_of(question(n), 1, 3)) == 3)
    trace = record(grades_of_each_search, query)
    template, known = learned(grades_of_each_search, 6), known_of(query)
    known.result("plan", 0, trace.calls[0].result)
    template.predict(known)
    found = next(call for call in trace.calls if call.site == "find")
    known.result("find", 0, found.result)
    due = first_round(template, known)
    assert {visit for site, visit in due if site == "grade"} == {0, 1, 2}


def test_lists_of_an_input_end_where_the_input_ends() -> None:
    known = Known()
    for place in ("messages[0].parts[0]", "messages[0].parts[1]", "messages[1].parts[0]"):
        known.input(place, f"text at {place}")
    sizes = sizes_of(("in", "messages", EVERY, "parts"), known)
    assert list(islice(sizes, 5)) == [2, 1]
