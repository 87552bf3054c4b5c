"""Induction as a whole: its deadline, what it says in words, what may be kept, what it accepts."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayo_bridge.learn.describe import describe
from ayo_bridge.learn.evidence import whole
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.learned_site import Status
from ayo_bridge.learn.positions import Where
from ayo_bridge.learn.render import render
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.trace import Trace
from tests.learn.apps import Recorder, learned, question, record, words
from tests.learn.test_lists import a_table, a_visit_a_line


def traces() -> list[Trace]:
    return [record(a_visit_a_line, question(i)) for i in range(5)]


def test_a_deadline_that_has_passed_leaves_all_sites_unsettled() -> None:
    template = induce(traces(), lambda: True)
    assert {each.status for each in template.sites} == {Status.UNSETTLED}
    assert {each.reason for each in template.sites} == {"the deadline had passed"}


def test_a_deadline_on_the_way_keeps_what_is_done() -> None:
    asked = 0

    def deadline() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    statuses = [each.status for each in induce(traces(), deadline).sites]
    assert statuses[0] is Status.LEARNED
    assert statuses[-1] is Status.UNSETTLED


def test_no_traces_give_an_empty_template() -> None:
    assert induce([]).sites == ()


def test_a_call_without_calls_gives_an_empty_template() -> None:
    assert induce([Trace({"query": question(i)}, ()) for i in range(3)]).sites == ()


def test_the_same_traces_give_the_same_template() -> None:
    assert induce(traces()) == induce(traces())


def test_a_template_says_in_words_where_its_requests_come_from() -> None:
    said = describe(learned(a_visit_a_line, 5))
    assert "site 1 (llm): learned" in said
    assert "Plan: {query}" in said
    assert "visits: one for each member of answer of site 1" in said
    assert "Do step {k+1}: {answer of site 1, line k without its bullet}" in said


def test_a_hole_is_said_in_words_with_its_place() -> None:
    def random_id(r: Recorder, query: str) -> None:
        r.llm("a", f"{words(query + 'secret', 1)} asks: {query}")

    template = learned(random_id)
    (hole,) = template.sites[0].classes[0].holes
    assert hole.reason == "what varies at character 27 comes from nothing known"
    assert render(template.sites[0].classes[0].program.prefix, Where(), Known(), set()) == (
        '{"messages": [{"content": "'
    )
    assert hole.reason in describe(template)


def test_constants_count_the_inputs_that_they_were_seen_with() -> None:
    template = learned(a_visit_a_line, 5)
    assert all(each.storable for site in template.sites for each in site.classes)
    assert all(each.inputs == 5 for site in template.sites for each in site.classes)


def test_a_table_entry_of_one_input_keeps_the_program_off_the_disk() -> None:
    def stores(r: Recorder, query: str) -> None:
        kinds = ["alpha"] * 3 + ["beta" if query == question(0) else "alpha"] * 3
        said = [{"q": words(f"{query}{i}"), "kind": kind} for i, kind in enumerate(kinds)]
        r.llm("a", f"Plan: {query}", json.dumps(said))
        for each in said:
            r.llm("b", f"Ask {'st-1' if each['kind'] == 'alpha' else 'st-2'}: {each['q']}")

    template = learned(stores, 5)
    assert (site := template.site("b")) is not None
    assert site.status is Status.LEARNED
    assert not site.classes[0].storable
    assert (other := learned(a_table, 8).site("c")) is not None
    assert other.classes[0].storable


PIECES = st.lists(
    st.one_of(
        st.sampled_from(["query", "answer", "line", "count", "noise", "last"]),
        st.text(alphabet='ab "\\\n1é', max_size=4),
    ),
    min_size=1,
    max_size=5,
)
ANSWERS = st.lists(st.text(alphabet='abc "\\\n12é日', max_size=30), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PIECES, ANSWERS)
def test_an_accepted_program_makes_every_request_that_it_was_learned_from(
    pieces: list[str], answers: list[str]
) -> None:
    def recorded(number: int) -> Trace:
        query, answer = question(number), answers[number]
        r = Recorder({"query": query})
        r.llm("a", f"Ask {query}", answer)
        lines = [line for line in answer.split("\n") if line.strip()]
        values = {
            "query": query,
            "answer": answer,
            "line": lines[0] if lines else "",
            "count": str(len(lines)),
            "noise": words(query + "noise", 1),
            "last": lines[-1] if lines else "",
        }
        for visit in range(1 + number % 2):
            r.llm("b", " ".join(values.get(piece, piece) for piece in pieces) + f" {visit}")
        return r.trace()

    made = [recorded(number) for number in range(4)]
    template = induce(made)
    for trace in made:
        seen = whole(trace)
        assert not replay(template, trace).false
        for site in template.sites:
            for visit, call in enumerate(seen.visits.get(site.site, ())):
                each = site.class_of(visit)
                if each is not None and each.predicts and site.predicts:
                    where = Where(visit if each.selector.relative else None)
                    assert render(each.program, where, seen.known, set()) == call.request


def test_a_loop_over_a_dozen_constants_has_a_program_for_each_turn() -> None:
    topics = [f"the {words(f'topic {n}', 1)} {n}" for n in range(12)]

    def by_topic(r: Recorder, query: str) -> None:
        for topic in topics:
            r.llm("a", f"List {topic} of {query}")

    (site,) = learned(by_topic, 4).sites
    assert site.status is Status.LEARNED
    assert len(site.classes) == len(topics)
