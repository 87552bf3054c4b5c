"""How many answers are the same decides whether something follows: grades, judgments, votes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from ayo_bridge.learn.count import Graded
from ayo_bridge.learn.describe import describe
from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Result
from tests.learn.apps import App, Recorder, known_of, learned, question, record

Decide = Callable[[list[str]], bool]


def verdicts_of(query: str, words: tuple[str, str], count: int) -> list[str]:
    some = random.Random(query)
    share = some.random()
    return [words[some.random() < share] for _ in range(count)]


def grading(words: tuple[str, str], counts: tuple[int, ...], decide: Decide, form: str) -> App:
    """Every passage is graded; what the grades decide is whether a search follows."""

    def app(r: Recorder, query: str) -> None:
        given = verdicts_of(query, words, counts[len(query) % len(counts)])
        r.llm("list", f"Passages on {query}", "\n".join(f"{query} {n}?" for n in range(len(given))))
        for number, word in enumerate(given):
            answer = json.dumps({"why": query[number:], "score": word}) if form else word
            r.llm("grade", f"Is this of use?\n{query} {number}?", answer)
        if decide(given):
            better = r.llm("rewrite", f"Say it better: {query}")
            r.search("web", r.embed("embed", better))
        r.llm("answer", f"Answer {query}")

    return app


APPS = {
    "any no": grading(("yes", "no"), (4,), lambda given: "no" in given, ""),
    "no yes": grading(("Yes.", "No."), (1, 2), lambda given: "Yes." not in given, ""),
    "two bad, in JSON": grading(
        ("good", "bad"), (4, 5), lambda given: given.count("bad") > 1, "json"
    ),
}


@pytest.mark.parametrize("name", APPS)
def test_the_number_of_one_verdict_tells_whether_a_rewrite_follows(name: str) -> None:
    app, template = APPS[name], learned(APPS[name], 12)
    site = template.site("rewrite")
    assert site is not None
    assert isinstance(site.count, Graded), describe(template)
    for number in range(50, 60):
        replayed = replay(template, record(app, question(number)))
        assert not replayed.false
        assert not replayed.missed


def _told(template: Template, *grades: str) -> set[str]:
    """The sites that are predicted once so many of four passages were graded."""
    known = known_of("why?")
    known.result("list", 0, Result(text="a?\nb?\nc?\nd?"))
    template.predict(known)
    for visit, grade in enumerate(grades):
        known.result("grade", visit, Result(text=grade))
    return {each.site for each in template.predict(known)}


def test_one_verdict_that_is_enough_tells_before_the_others_are_known() -> None:
    template = learned(APPS["any no"], 12)
    assert "rewrite" in _told(template, "yes", "no")
    assert "rewrite" not in _told(template, "yes", "yes", "yes")
    assert "rewrite" not in _told(template, "yes", "yes", "yes", "yes")


def test_a_verdict_that_was_never_seen_tells_nothing() -> None:
    template = learned(APPS["any no"], 12)
    assert "rewrite" not in _told(template, "perhaps", "no")


def test_between_what_was_seen_nobody_knows() -> None:
    known = Known()
    count = Graded("grade", ("text",), "no", ("no", "yes"), 3, 1)
    for visit, grade in enumerate(("no", "yes", "no")):
        known.result("grade", visit, Result(text=grade))
    known.ended("grade")
    assert count.here(known) is None


def test_it_is_kept_on_disk_and_told_in_words() -> None:
    template = learned(APPS["any no"], 12)
    kept = template_from_json(json.loads(json.dumps(template_to_json(template))))
    assert "at least 1 of the answers of site 2 say 'no'" in describe(kept)
    assert not replay(kept, record(APPS["any no"], question(55))).missed


def test_what_follows_in_two_calls_only_is_not_told_by_a_verdict() -> None:
    def rare(r: Recorder, query: str) -> None:
        odd = query in (question(1), question(2))
        r.llm("grade", f"Is it odd? {query}", "odd" if odd else "even")
        if odd:
            r.llm("rewrite", f"Say it better: {query}")

    site = learned(rare, 8).site("rewrite")
    assert site is not None
    assert not isinstance(site.count, Graded)
    assert not site.predicts


def test_what_follows_a_call_goes_once_the_original_has_asked_for_that() -> None:
    def judged(r: Recorder, query: str) -> None:
        answer = r.llm("answer", f"Answer {query}")
        failed = ["start", "end"] if len(query) % 2 else []
        told = Result(text=json.dumps({"failed": failed}))
        r.call("failed", Kind.HELPER, "failed", told)
        for part in failed:
            r.llm("judge", f"Judge the {part} of {answer}")
        if failed:
            r.llm("again", f"Answer again: {query}")

    odd = next(question(n) for n in range(20, 90) if len(question(n)) % 2)
    trace = record(judged, odd)
    foresight = Foresight(learned(judged, 12), {"query": odd})
    answered = foresight.asked("answer", (), trace.calls[0].request)
    foresight.answered(answered, trace.calls[0].result, own=True)
    assert trace.calls[1].result is not None
    foresight.told("failed", (), trace.calls[1].result)
    assert _due(foresight) == {("judge", 0)}
    foresight.asked("judge", (), trace.calls[2].request)
    assert _due(foresight) == {("judge", 1), ("again", 0)}


def _due(foresight: Foresight) -> set[tuple[str, int]]:
    return {(each.site, each.visit) for each in foresight.ready(lambda _: True)}
