from dataclasses import fields, replace

import pytest

from ayo_bridge.graph import (
    Component,
    Effect,
    Graph,
    Indexing,
    Op,
    Opaque,
    Primitive,
    PromptPart,
    QueryExpansion,
    Reranking,
    Searching,
    Template,
    decompose,
)
from ayo_bridge.passes import Decision, PassContext, StageDecomposition, part_of
from ayo_bridge.passes.cutting import Cutter
from ayo_bridge.profile import Curve, EngineProfile, Profiles
from tests.passes.workflows import EVERYTHING, PROFILES

CURVE = Curve.of([(1, 0.01), (64, 0.2)])


def embedding(best: int | None) -> Profiles:
    return Profiles({"bge": EngineProfile("embedding", CURVE, best)})


def bge(best: int | None) -> PassContext:
    return PassContext(embedding(best))


def staged(context: PassContext, *components: Component) -> tuple[Graph, tuple[Decision, ...]]:
    p_graph = decompose(Template.chain(*components, inputs=("question", "documents")))
    rewrite = StageDecomposition().apply(p_graph, context)
    rewrite.graph.verify()
    return rewrite.graph, rewrite.decisions


SEARCH = Searching(name="s", embedding="bge", store="pg", queries=10, inputs=("documents",))


def test_a_large_batch_becomes_stages_of_b_star_pipelined_with_the_search() -> None:
    graph, (decision,) = staged(bge(4), SEARCH)
    assert decision.applied
    assert [graph[f"s.embed[{i}]"].items for i in range(3)] == [4, 4, 2]
    assert [graph[f"s.search[{i}]"].items for i in range(3)] == [4, 4, 2]
    assert graph["s.search[1]"].inputs == ("s.vectors[1]",)
    assert graph["s.search[1]"].stage == 1
    assert graph["s.search.join"].inputs == ("s.hits[0]", "s.hits[1]", "s.hits[2]")
    assert "s.embed.join" not in graph


def test_a_stage_with_a_whole_input_takes_a_slice_and_the_last_what_is_left() -> None:
    graph, _ = staged(bge(4), SEARCH)
    parts = [part_of(graph, graph[f"s.embed[{i}]"]) for i in range(3)]
    assert parts == [slice(0, 4), slice(4, 8), slice(8, None)]
    assert part_of(graph, graph["s.search[1]"]) is None
    assert part_of(graph, graph["s.search.join"]) is None


def test_stages_of_a_write_stay_in_order() -> None:
    index = Indexing(name="i", embedding="bge", store="pg", items=10)
    graph, _ = staged(bge(4), index, Opaque(name="done", pure=True, inputs=("question",)))
    assert ("i.ingest[0]", "i.ingest[1]") in graph.order
    assert ("i.ingest[2]", "done.host") in graph.order
    assert graph["i.ingest.join"].op is Op.AGGREGATE


def test_the_gain_is_the_time_of_the_search_for_all_but_the_last_stage() -> None:
    store = EngineProfile("vector_store", Curve.of([(1, 0.01), (10, 0.1)]), None)
    known = Profiles({**embedding(4), "pg": store})
    _, (decision,) = staged(PassContext(known), SEARCH)
    assert decision.predicted_gain == pytest.approx(0.1 - 0.02)


@pytest.mark.parametrize(
    ("context", "component", "reason"),
    [
        (bge(16), SEARCH, "10 items are not more than b* = 16"),
        (bge(10), SEARCH, "10 items are not more than b* = 10"),
        (bge(None), SEARCH, "no profile of 'bge' says what its b* is"),
        (PassContext(), SEARCH, "no profile of 'bge' says what its b* is"),
        (replace(bge(4), strict=True), SEARCH, "strict: "),
    ],
)
def test_refusals(context: PassContext, component: Component, reason: str) -> None:
    graph, (decision, *_) = staged(context, component)
    assert list(graph.primitives) == ["s.embed", "s.search"]
    assert not decision.applied
    assert decision.reason.startswith(reason)


def test_nothing_is_cut_where_nothing_can_start_on_a_part() -> None:
    context = PassContext(Profiles({"pg": EngineProfile("vector_store", CURVE, 4)}))
    graph, decisions = staged(context, SEARCH)
    assert "s.search" in graph
    assert decisions[-1].reason == "nothing batchable follows that could start on a part"


def test_nothing_is_cut_where_a_part_costs_what_the_whole_costs() -> None:
    flat = EngineProfile("vector_store", Curve.of([(1, 0.01), (64, 0.01)]), None)
    context = PassContext(Profiles({**embedding(4), "pg": flat}))
    graph, (decision, *_) = staged(context, SEARCH)
    assert "s.embed" in graph
    assert decision.reason == "the predicted gain is not positive"


ASKED = QueryExpansion(name="e", llm="llm", queries=10)
BY_ITEM = replace(SEARCH, inputs=("e.queries",))


def test_what_a_decode_feeds_item_by_item_is_left_to_it() -> None:
    graph, decisions = staged(
        replace(EVERYTHING, profiles=Profiles({**PROFILES, **embedding(2)})),
        ASKED,
        BY_ITEM,
        Reranking(name="r", reranker="cross", candidates=100),
    )
    assert {"s.embed", "s.search", "r.rerank"} <= graph.primitives.keys()
    reasons = {decision.targets[0]: decision.reason for decision in decisions}
    assert reasons["s.embed"] == reasons["r.rerank"] == "the items of e.decode start it one by one"


def test_what_a_decode_feeds_as_a_whole_is_cut() -> None:
    graph, _ = staged(bge(4), ASKED, BY_ITEM)
    assert "s.embed[2]" in graph


def test_single_items_are_not_worth_a_word() -> None:
    _, decisions = staged(EVERYTHING, Searching(name="s", embedding="bge", store="pg"))
    assert decisions == ()


def test_a_part_is_the_whole_but_for_its_name_its_values_and_its_items() -> None:
    whole = Primitive(
        id="p",
        op=Op.SEARCHING,
        component="c",
        engine="pg",
        inputs=("question",),
        outputs=("hits",),
        effect=Effect.WRITE,
        items=3,
        tokens=4,
        prompt=(PromptPart(5),),
        batchable=True,
        splittable=True,
        concurrent=True,
        optional=frozenset({"d"}),
        speculative=(frozenset({"d"}),),
        serves=6,
    )
    usual = [field.name for field in fields(whole) if getattr(whole, field.name) == field.default]
    assert usual == ["stage", "origin"], "of every other field it is seen whether it is kept"
    cutter = Cutter(Graph([whole], inputs=("question",)), lambda _: False)
    part = cutter.sweep(lambda primitive: cutter.into_stages(primitive, 2))["p[1]"]
    assert part == replace(whole, id="p[1]", outputs=("hits[1]",), items=1, stage=1, origin="p")
