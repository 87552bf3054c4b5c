"""What must not be learned: chance, single inputs, random ids, times, what was too seldom seen."""

from __future__ import annotations

import json
import random

from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.learned_site import Status
from ayo_bridge.learn.replay import replay
from tests.learn.apps import App, Recorder, is_exact, learned, question, record, words


def plain(r: Recorder, query: str) -> None:
    answer = r.llm("a", f"List the causes: {query}")
    r.llm("b", f"Shorten: {answer}")


def test_two_distinct_inputs_are_not_enough() -> None:
    template = induce([record(plain, question(i)) for i in (1, 2, 1, 2)])
    assert {each.status for each in template.sites} == {Status.UNSETTLED}
    replayed = replay(template, record(plain, question(9)))
    assert not replayed.exact
    assert not replayed.false


def test_the_same_query_thrice_teaches_nothing() -> None:
    template = induce([record(plain, question(1))] * 4)
    assert not any(each.predicts for each in template.sites)


def test_a_site_seen_in_two_of_many_calls_is_left_for_later() -> None:
    def rare(r: Recorder, query: str) -> None:
        r.llm("a", f"Ask: {query}")
        if query in (question(0), question(1)):
            r.llm("b", f"And: {query}")

    template = learned(rare, 6)
    assert (site := template.site("b")) is not None
    assert site.status is Status.UNSETTLED
    assert "2 distinct inputs" in site.reason


def test_visits_seen_with_two_inputs_are_not_predicted_while_the_others_are() -> None:
    def longer(r: Recorder, query: str) -> None:
        for number in range(3 if query in (question(0), question(1)) else 2):
            r.llm("a", f"{('First', 'Then', 'Last')[number]}: {query}")

    template = learned(longer, 5)
    replayed = replay(template, record(longer, question(0)))
    assert replayed.exact == {("a", 0), ("a", 1)}
    assert replayed.missed == {("a", 2)}
    assert not replayed.false


def test_a_random_id_becomes_a_hole_and_its_site_makes_no_request() -> None:
    def traced(r: Recorder, query: str) -> None:
        run = f"{random.Random(query + 'x').getrandbits(64):016x}"
        r.llm("a", f"[run {run}] Answer: {query}")

    template = learned(traced)
    site = template.sites[0]
    assert site.status is Status.HOLE
    assert "comes from nothing known" in site.reason
    before = site.classes[0].program.prefix
    assert before.parts
    assert not before.holes
    assert not replay(template, record(traced, question(9))).false


def test_a_short_value_that_is_equal_by_chance_is_not_taken_for_the_source() -> None:
    def paged(r: Recorder, query: str) -> None:
        items = r.search("b", r.embed("a", query), top_k=4)
        r.llm("c", f"top 4 of 4 pages, page {items[2].metadata['page']}: {items[2].text}")

    assert is_exact(paged, calls=5)


def test_an_answer_that_the_prompt_holds_anyway_is_not_its_source() -> None:
    def graded(r: Recorder, query: str) -> None:
        grade = random.Random(query).choice(["relevant", "irrelevant"])
        r.llm("a", f"Say relevant or irrelevant: {query}", grade)
        r.llm("b", f"The texts are relevant or irrelevant. Question: {query}")

    assert is_exact(graded, calls=5)


def test_equal_texts_in_a_list_are_kept_apart() -> None:
    def twins(r: Recorder, query: str) -> None:
        texts = [words(query), words(query), words(query + "b"), words(query)]
        r.llm("a", f"Texts as JSON: {query}", json.dumps(texts))
        for text in texts:
            r.llm("b", f"Sum up: {text}")
        r.llm("c", "All:\n" + "\n".join(texts))

    assert is_exact(twins, calls=4)


def test_unicode_and_escapes_are_predicted_to_the_byte() -> None:
    marks = ['He said "yes".', "C:\\path\\new\n", "naïve café 日本語 😀", "\ttab", "問：\u2028答"]

    def odd(r: Recorder, query: str) -> None:
        some = random.Random(query)
        answer = f"{words(query)} {some.choice(marks)} {words(query + 'b')}{some.choice(marks)}"
        r.llm("a", f"質問は{query}です", answer)
        r.llm("b", f"回答「{answer}」を\n短く: {query}")

    assert is_exact(odd, calls=6)


def test_a_changed_prompt_gives_misses_and_no_lucky_match() -> None:
    def changed(r: Recorder, query: str) -> None:
        answer = r.llm("a", f"List all the causes: {query}")
        r.llm("b", f"Shorten: {answer}")

    replayed = replay(learned(plain), record(changed, question(9)))
    assert replayed.exact == {("b", 0)}
    assert replayed.false == (("a", 0),)


def test_sites_that_contradict_their_own_traces_are_not_predicted() -> None:
    def sometimes(r: Recorder, query: str) -> None:
        r.llm("a", f"Ask: {query}")
        r.llm("b", f"Again: {query}")

    def once(r: Recorder, query: str) -> None:
        r.llm("a", f"Ask: {query}")

    app: list[App] = [sometimes, sometimes, sometimes, once]
    template = induce([record(each, question(i)) for i, each in enumerate(app)])
    for i, each in enumerate(app):
        assert not replay(template, record(each, question(i))).false


def test_where_sources_that_were_one_differ_nothing_is_predicted() -> None:
    def lines(r: Recorder, query: str) -> None:
        answer = r.llm(
            "a", f"List: {query}", "\n".join([words(query), "Second."][: len(query) % 7])
        )
        r.llm("b", f"Explain {answer.splitlines()[0]}")

    def one_line(r: Recorder, query: str) -> None:
        r.llm("b", f"Explain {r.llm('a', f'List: {query}', words(query))}")

    template = learned(one_line)
    several = next(i for i in range(90) if len(question(i)) % 7 > 1)
    assert not replay(template, record(one_line, question(9))).missed
    replayed = replay(template, record(lines, question(several)))
    assert replayed.missed == {("b", 0)}
    assert not replayed.false


def test_an_empty_history_does_not_hide_what_the_others_show() -> None:
    def chat(r: Recorder, query: str) -> None:
        turns = len(query) % 3 * 2 if query != question(0) else 0
        for turn in range(turns):
            r.inputs[f"history[{turn}].content"] = words(f"{query}{turn}")
            r.inputs[f"history[{turn}].role"] = ("user", "assistant")[turn % 2]
        said = [
            {"role": ("user", "assistant")[turn % 2], "content": words(f"{query}{turn}")}
            for turn in range(turns)
        ]
        r.llm(
            "a",
            [{"role": "system", "content": "Be brief."}, *said, {"role": "user", "content": query}],
        )

    assert is_exact(chat, calls=6)
