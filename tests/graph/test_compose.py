"""Templates written with >> and |."""

from __future__ import annotations

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Choice, Condition, Opaque, Template, choose, decompose, flow

A, B, C, D, E = (Opaque(name=name) for name in "abcde")
ASK = Condition(name="ask")


def test_a_chain_is_the_template_of_its_components_in_order() -> None:
    assert (A >> B >> C).template(("q",), "x") == Template.chain(A, B, C, inputs=("q",), name="x")


def test_what_stands_side_by_side_comes_after_the_same_and_before_the_same() -> None:
    whole = A >> (B | C) >> D
    assert whole.components == (A, B, C, D)
    assert set(whole.edges) == {("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}
    assert (whole.heads, whole.tails) == (("a",), ("d",))


def test_flows_compose_however_they_are_bracketed() -> None:
    one, other = (A >> B) >> (C >> D), A >> (B >> C) >> D
    assert (one.components, one.heads, one.tails) == (other.components, other.heads, other.tails)
    assert set(one.edges) == set(other.edges)
    assert flow(A >> B) == A >> B


def test_a_component_in_two_flows_is_one() -> None:
    whole = (A >> B >> D) | (A >> C >> D)
    assert whole.components == (A, B, D, C)
    assert (whole.heads, whole.tails) == (("a",), ("d",))


def test_two_components_of_one_name_are_refused() -> None:
    with pytest.raises(GraphError, match="not unique"):
        (A >> Opaque(name="a", pure=True)).template()


def test_a_choice_runs_one_branch_and_what_follows_comes_after_either() -> None:
    whole = A >> choose(ASK, {"yes": B >> C, "no": None}) >> D
    assert set(whole.edges) == {
        *(("a", "ask"), ("ask", "b"), ("b", "c"), ("c", "d"), ("ask", "d")),
    }
    (choice,) = whole.choices
    assert choice.unchosen("yes") == frozenset()
    assert choice.unchosen("no") == {"b", "c"}


def test_a_component_that_two_branches_share_runs_with_either() -> None:
    choice = Choice("ask", ((1, ("a", "b")), (2, ("b", "c")), (3, ())))
    assert choice.unchosen(1) == {"c"}
    assert choice.unchosen(2) == {"a"}
    assert choice.unchosen(3) == {"a", "b", "c"}
    assert choice.optional == {"a", "b", "c"}
    assert Choice("ask", choice.branches[:2]).optional == {"a", "c"}
    assert Choice("ask", ()).optional == frozenset()
    with pytest.raises(GraphError, match=r"'ask' chose 4; its branches are 1, 2, 3"):
        choice.unchosen(4)


def test_choices_in_branches_are_kept() -> None:
    inner = choose(Condition(name="inner"), {1: D, 2: E})
    whole = choose(ASK, {"yes": inner, "no": B})
    assert [choice.condition for choice in whole.choices] == ["inner", "ask"]
    assert whole.choices[1].unchosen("no") == {"inner", "d", "e"}
    graph = decompose((whole >> A).template())
    assert graph["ask.condition"].optional == frozenset({"inner", "d", "e", "b"})
    assert graph["inner.condition"].optional == frozenset({"d", "e"})


def test_what_a_condition_leaves_out_is_unknown_without_a_choice() -> None:
    assert decompose((ASK >> A).template())["ask.condition"].optional is None


def test_a_choice_without_branches_is_refused() -> None:
    with pytest.raises(GraphError, match="nothing to choose"):
        choose(ASK, {})
