import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ayo_bridge.graph import Op, Opaque, Primitive, Template
from ayo_bridge.observe import explain_state
from ayo_bridge.passes import Decision
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import Outcome
from tests.observe import samples
from tests.observe.states import GRAPH, TEMPLATE, call, record, state


def refused(number: int, reason: str = "too short") -> Decision:
    return Decision("prefilling split", (f"answer.prefill[{number}]",), False, reason)


def test_before_any_call_it_shows_the_template_and_what_to_do() -> None:
    assert explain_state(state(opaque=(("Postprocessor", "a subclass of the user's"),))).full() == (
        """\
no call has finished yet: make one; 1 part left alone: Postprocessor

RetrieverQueryEngine, accelerated by llama_index

module template
  search  searching  minilm, pg  queries 1, top k 2
  left as it is: Postprocessor (a subclass of the user's)

No call has finished yet: make one, and its graphs are shown here."""
    )


def test_after_a_call_it_shows_graphs_rewrites_and_calls() -> None:
    cached = Primitive("search.cached", Op.HOST, "search", inputs=("hits",), outputs=("kept",))
    made = record(
        call(waited=0.02),
        call(Outcome.DIRECT, primitive="search.search", engine="pg", seconds=0.5, waited=0.5),
        call(Outcome.DROPPED, error="TimeoutError()"),
        decisions=[
            Decision("dependency pruning", ("a", "b"), True, "no data passes", 0.25),
            *(refused(i) for i in range(8)),
        ],
        predicted_gain=0.25,
        error="ValueError: no such index",
        e_graph=GRAPH.replace(add=[cached]),
    )
    made.template = replace(TEMPLATE, notes=("the retriever is shared",))
    assert explain_state(state(made, switched_off="it was asked to")).full() == GOLDEN


GOLDEN = """\
switched off: it was asked to; tried again in 60 s; calls run as in the original

RetrieverQueryEngine, accelerated by llama_index

module template
  search  searching  minilm, pg  queries 1, top k 2

last call: retrieve, 1.00 s

p-graph, 2 primitives
  inputs: question
  2  search.embed   embedding  minilm    <- question
  1  search.search  searching  pg        <- search.embed

e-graph, 3 primitives
  inputs: question
  3  search.embed   embedding  minilm    <- question
  2  search.search  searching  pg        <- search.embed
  1  search.cached  host                 <- search.search

rewrites
  done     dependency pruning   +250 ms  a, b                 no data passes
  refused  prefilling split x8           answer.prefill[0-7]  too short
  predicted gain +250 ms; the original did not wait for 80 ms of engine time

engine calls, 3
  primitive      engine  outcome  batch  waited    took
  search.embed   minilm  hit          1   20 ms  100 ms
  search.search  pg      direct       1  500 ms  500 ms
  search.embed   minilm  dropped      1  0.0 ms  100 ms  TimeoutError()

notes
  the retriever is shared
  Run-ahead is switched off for this object: it was asked to; tried again in 60 s.
  The last call failed: ValueError: no such index"""


def test_equal_graphs_are_shown_once() -> None:
    text = explain_state(state(record())).full()
    assert "e-graph: the same; nothing was rewritten" in text
    assert text.count("search.embed   embedding") == 1


def test_components_out_of_line_say_what_they_come_after() -> None:
    parts = [Opaque(name=name) for name in "abc"]
    template = Template(tuple(parts), (("a", "b"), ("a", "c")))
    made = record()
    made.template = template
    lines = explain_state(state(made)).full().splitlines()
    assert [line for line in lines if "  opaque" in line] == [
        "  a  opaque",
        "  b  opaque",
        "  c  opaque  after a",
    ]


def test_reasons_that_differ_in_numbers_only_are_one_line() -> None:
    made = record(decisions=[refused(i, f"answer.prefill[{i}]: {i} tokens") for i in range(3)])
    text = explain_state(state(made)).full()
    assert max(map(len, text.partition("rewrites")[2].splitlines())) <= 80
    assert "x3 answer.prefill[0-2] e.g. answer.prefill[0]: 0 tokens" in " ".join(text.split())


def test_predicted_gains_of_one_line_add_up() -> None:
    decisions = [Decision("p", (f"x[{i}]",), True, "long", 0.1) for i in range(3)]
    text = explain_state(state(record(decisions=decisions))).full()
    assert "done  p x3  +300 ms  x[0-2]  long" in text


@pytest.mark.parametrize("sample", [samples.fusion, samples.tree, samples.refine])
def test_json_says_everything_and_is_plain(sample: Callable[[], CallRecord]) -> None:
    made = sample()
    plain = json.loads(json.dumps(explain_state(state(made)).json()))
    assert [c["primitive"] for c in plain["calls"]] == [c.primitive for c in made.calls]
    assert {p["id"] for p in plain["e_graph"]["primitives"]} == set(made.e_graph.primitives)
    assert len(plain["decisions"]) == len(made.decisions)
    assert [c["name"] for c in plain["template"]["components"]] == [
        c.name for c in made.template.components
    ]
    first = plain["calls"][0]
    assert 0.0 <= first["started"] < first["ended"] <= plain["seconds"]
    bytes.fromhex(first["key"])


def test_json_before_any_call() -> None:
    plain = json.loads(json.dumps(explain_state(state()).to_dict()))
    assert (plain["p_graph"], plain["calls"], plain["seconds"]) == (None, [], None)


def test_equal_keys_have_equal_digests_and_tell_nothing() -> None:
    made = record(call(), call())
    made.calls[1].key = ("url", "secret prompt")
    shown: Any = explain_state(state(made)).json()
    one, other = shown["calls"]
    assert one["key"] != other["key"]
    assert "secret" not in json.dumps(other)


def test_mermaid_draws_the_template_first_and_the_e_graph_after_a_call() -> None:
    assert 'c0["search<br/>searching"]' in explain_state(state()).mermaid()
    assert "search.embed" in explain_state(state(record())).mermaid()
