"""Requests over lists: joins, chunks, unions, growing histories, one visit a member."""

from __future__ import annotations

import json
import random

import pytest

from ayo_bridge.learn.count import After, AtLeast, Chunks, Fixed, Length
from ayo_bridge.learn.describe import describe
from ayo_bridge.learn.disk.storage import template_from_json, template_to_json
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.program import Join
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.trace import Trace
from tests.learn.apps import App, Recorder, is_exact, learned, question, record, words


def lines_of(query: str, least: int = 2, most: int = 5) -> list[str]:
    count = random.Random(query).randint(least, most)
    return [words(f"{query}{i}") for i in range(count)]


def all_texts(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=4)
    r.llm("c", "Context:\n" + "\n\n".join(item.text for item in items) + f"\nQuestion: {query}")


def lists_of_any_length(r: Recorder, query: str) -> None:
    lines = lines_of(query, 1, 5)
    r.llm("a", f"Plan: {query}", "\n".join(lines))
    r.llm("b", "Steps: " + "; ".join(lines) + ". Go.")


def numbered_with_metadata(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=3)
    said = [f"{n}. {i.text} (page {i.metadata['page']})" for n, i in enumerate(items, 1)]
    r.llm("c", "\n".join(said))


def first_members_only(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=6)
    r.llm("c", "Context:\n" + "\n".join(item.text for item in items[:3]))


def a_visit_a_line(r: Recorder, query: str) -> None:
    lines = lines_of(query)
    r.llm("a", f"Plan: {query}", "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)))
    answers = [r.llm("b", f"Do step {n}: {line}") for n, line in enumerate(lines, 1)]
    both = zip(lines, answers, strict=True)
    r.llm("c", "Done:\n" + "\n".join(f"{line} -> {answer}" for line, answer in both))


def a_visit_a_leaf_or_none(r: Recorder, query: str) -> None:
    topics = lines_of(query, 0, 3)
    r.llm("a", f"Topics as JSON: {query}", json.dumps({"topics": topics}))
    answers = [r.llm("b", f"Explain {topic} for {query}") for topic in topics]
    r.llm("c", "All:\n" + "\n---\n".join(answers) + f"\n{query}")


def chunks_of_three(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=7)
    for start in range(0, 7, 3):
        r.llm("c", "Rank:\n" + "\n".join(item.text for item in items[start : start + 3]))


def union_of_searches(r: Recorder, query: str) -> None:
    lines = lines_of(query, 2, 3)
    r.llm("a", f"Other words: {query}", "\n".join(lines))
    found: dict[str, str] = {}
    shared = r.search("c", r.embed("b", lines[0]), top_k=4)
    for item in shared:
        found.setdefault(item.id, item.text)
    for line in lines[1:]:
        vector = r.embed("b", line)
        for item in (*shared[:1], *r.search("c", vector, top_k=4)):
            found.setdefault(item.id, item.text)
    r.llm("d", "Context:\n" + "\n\n".join(found.values()))


def growing_history(r: Recorder, query: str) -> None:
    messages = [{"role": "user", "content": query}]
    for _ in range(4):
        answer = r.llm("a", messages)
        messages = [*messages, {"role": "assistant", "content": answer}]


def one_after_the_other(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=4)
    answer = r.llm("c", f"Answer {query} from {items[0].text}")
    for item in items[1:]:
        answer = r.llm("d", f"Improve '{answer}' with {item.text}")


def jobs_end_in_any_order(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=4)
    order = random.Random(query).sample(range(4), 4)
    for at in order:
        r.llm("c", f"Sum up: {items[at].text}", branch=(at,))


def tasks_are_made_in_any_order(r: Recorder, query: str) -> None:
    items = r.search("b", r.embed("a", query), top_k=4)
    order = random.Random(query).sample(range(4), 4)
    for number, at in enumerate(order):
        r.llm("c", f"Sum up: {items[at].text}", branch=(number,))


def another_store_each(r: Recorder, query: str) -> None:
    vector = r.embed("a", query)
    for number, store in enumerate(("main", "small", "news")):
        r.search("b", vector, top_k=2 + number, store=store)


def a_table(r: Recorder, query: str) -> None:
    tools = [("history", "st-1"), ("money", "st-2")]
    picked = [tools[random.Random(f"{query}{i}").randrange(2)] for i in range(len(query) % 3 + 2)]
    said = [{"q": words(f"{query}{i}"), "tool": tool} for i, (tool, _) in enumerate(picked)]
    r.llm("a", f"Sub-questions: {query}", json.dumps(said))
    for each, (_, store) in zip(said, picked, strict=True):
        r.search("c", r.embed("b", each["q"]), store=store)


@pytest.mark.parametrize(
    "app",
    [
        *(all_texts, lists_of_any_length, numbered_with_metadata, first_members_only),
        *(a_visit_a_line, a_visit_a_leaf_or_none, chunks_of_three, union_of_searches),
        *(growing_history, one_after_the_other, jobs_end_in_any_order),
        *(tasks_are_made_in_any_order, another_store_each, a_table),
    ],
)
def test_a_request_over_a_list_is_predicted_to_the_byte(app: App) -> None:
    assert is_exact(app, calls=6)


def branch_taken(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"Is it clear? {query}")
    if random.Random(query).random() < 0.6:
        better = r.llm("b", f"Rewrite: {query} ({answer})")
        r.llm("c", f"Check the rewriting: {better}")
    for _ in range(random.Random(query).randint(1, 3)):
        r.llm("d", f"Thought about {query}: {answer}")


def test_the_number_of_visits_is_said_by_what_the_programs_go_through() -> None:
    lines, chunks, stores = (
        learned(app, 6) for app in (a_visit_a_line, chunks_of_three, another_store_each)
    )
    assert (b := lines.site("b")) is not None
    assert b.count in {Length(("at", "a", 0, part)) for part in ("lines", "bare")}
    assert (c := chunks.site("c")) is not None
    assert c.count == Chunks(("at", "b", 0, "items"), 3)
    assert (s := stores.site("b")) is not None
    assert s.count == Fixed(3)


def test_what_only_sometimes_happens_is_predicted_with_what_it_comes_after() -> None:
    template = learned(branch_taken, 8)
    counts = {each.site: each.count for each in template.sites}
    assert counts["b"] == AtLeast(0)
    assert counts["c"] == After("b")
    assert counts["d"] == AtLeast(1)


def retried(r: Recorder, query: str) -> None:
    """Where an answer fails, each of its sources is judged, and all is written again."""
    found = r.search("s", r.embed("e", query))
    answer = r.llm("a", f"Answer {query}")
    if random.Random(query).random() < 0.6:
        for item in found:
            r.llm("judge", f"Is {item.text} what {answer} says?")
        r.llm("again", f"Answer {query} without {answer}")


def _both_ways() -> tuple[Trace, Trace]:
    """Calls that come to the branch, and that do not."""
    traces = [record(retried, question(number)) for number in range(50, 60)]
    return max(traces, key=lambda t: len(t.calls)), min(traces, key=lambda t: len(t.calls))


def test_the_first_visit_of_a_branch_tells_of_the_others_and_of_what_follows_it() -> None:
    template = learned(retried, 8)
    there, past = _both_ways()
    replayed = replay(template, there)
    assert replayed.missed == {("judge", 0)}
    assert not replayed.false
    # The rest of the branch goes with its first call: 3 calls before it, and no more after it.
    assert replayed.before == pytest.approx(0.5 + 0.2)
    assert replayed.after == pytest.approx(0.3, abs=0.003)
    assert not replay(template, past).false


def test_what_says_how_often_is_kept_on_disk() -> None:
    template = learned(retried, 8)
    judge = template.site("judge")
    assert judge is not None
    assert judge.count == After("judge", Length(("at", "s", 0, "items")))
    stored = template_from_json(template_to_json(template)).site("judge")
    assert stored is not None
    assert stored.count == judge.count


def test_a_branch_is_gone_ahead_in_as_soon_as_the_original_takes_it() -> None:
    template = learned(retried, 8)
    trace, _ = _both_ways()
    foresight = Foresight(template, trace.inputs)
    sent: list[str] = []
    for call in trace.calls:
        sent += [each.site for each in foresight.ready(lambda each: True)]
        foresight.answered(foresight.asked(call.site, (), call.request), call.result, own=True)
        if call.site == "judge":
            break
    # Its own first call was as the program says, so all the rest goes at once.
    assert "judge" not in sent
    assert [each.site for each in foresight.ready(lambda each: True)] == ["judge", "judge", "again"]


def conversation(r: Recorder, query: str) -> None:
    """What was said before, the roles by turns; without any of it the question is asked as it is.

    The turns are inputs, two to six of them.
    """
    turns = [words(f"{query}{turn}") for turn in range(2 * random.Random(query).randint(1, 3))]
    converse(r, query, turns)


def converse(r: Recorder, query: str, turns: list[str]) -> None:
    r.inputs |= {f"history[{at}]": text for at, text in enumerate(turns)}
    roles = ("user", "assistant")
    told = [f"{roles[at % 2]}: {text}" for at, text in enumerate(turns)]
    if turns:
        r.llm("condense", "\n".join(["So far:", *told, f"Next: {query}"]))
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
    r.llm("reply", [*messages, {"role": "user", "content": query}])


def test_the_roles_of_a_conversation_take_turns() -> None:
    assert is_exact(conversation)
    template = learned(conversation)
    for count in (0, 8, 20):  # Shorter and longer than any that was seen.
        r = Recorder({"query": question(99)})
        converse(r, question(99), [words(f"turn {at}") for at in range(count)])
        replayed = replay(template, r.trace())
        assert not replayed.false
        assert bool(replayed.missed) is (count == 0)


def test_turns_and_lists_that_are_never_empty_are_kept_on_disk() -> None:
    template = learned(conversation)
    assert template_from_json(template_to_json(template)) == template
    assert "by turn: 0: " in describe(template)


def test_where_two_views_of_a_list_differ_for_the_first_time_nothing_is_predicted() -> None:
    def summed_up(r: Recorder, query: str, bullet: str = "") -> None:
        lines = [bullet + line for line in lines_of(query, 2, 4)]
        said = r.llm("list", f"List: {query}", "\n".join(lines))
        r.llm("sum", "Sum up: " + "; ".join(said.split("\n")) + query)

    template = learned(summed_up)
    assert not replay(template, record(summed_up, question(77))).missed
    replayed = replay(template, record(lambda r, q: summed_up(r, q, "- "), question(77)))
    assert replayed.missed == {("sum", 0)}
    assert not replayed.false


def test_short_answers_in_a_row_are_one_list_though_some_never_vary() -> None:
    def grades(r: Recorder, query: str) -> None:
        documents = r.search("s", r.embed("e", query), top_k=4)
        said = [
            r.llm("grade", f"{at}: is {item.text} of use? {query}", "yes" if sure else "no")
            for at, item in enumerate(documents)
            for sure in [random.Random(f"{query}{at}").random() < (0.5 if at % 2 else 0.9)]
        ]
        r.llm("last", f"Grades: {', '.join(said)}. Answer {query}")

    assert is_exact(grades)
    last = learned(grades).site("last")
    assert last is not None
    assert [part for part in last.classes[0].program.parts if isinstance(part, Join)]
