from dataclasses import replace

import pytest

from ayo_bridge.graph import (
    Component,
    Graph,
    Op,
    Opaque,
    QueryExpansion,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.passes import Decision, DecodingPipelining, PassContext
from ayo_bridge.profile import Curve, EngineProfile, Profiles
from tests.passes.workflows import EVERYTHING, EXPAND, LLM

SEARCH = Searching(
    name="search", embedding="bge", store="pg", queries=3, inputs=("expand.queries",)
)


def pipelined(
    *components: Component, context: PassContext = EVERYTHING
) -> tuple[Graph, tuple[Decision, ...]]:
    p_graph = decompose(Template.chain(*components))
    rewrite = DecodingPipelining().apply(p_graph, context)
    rewrite.graph.verify()
    return rewrite.graph, rewrite.decisions


def test_each_item_has_its_own_chain_and_the_items_follow_one_another() -> None:
    graph, (decision,) = pipelined(EXPAND, SEARCH, Opaque(name="fusion", pure=True))
    assert decision.applied
    assert graph["expand.decode[1]"].op is Op.PARTIAL_DECODING
    assert graph["expand.decode[1]"].inputs == ("expand.prefilled", "expand.queries[0]")
    assert [graph[f"expand.decode[{i}]"].tokens for i in range(3)] == [21, 21, 22]
    assert graph["search.embed[2]"].inputs == ("expand.queries[2]",)
    assert graph["search.search[2]"].inputs == ("search.vectors[2]",)
    assert graph["search.search.join"].outputs == ("search.hits",)
    assert "expand.decode.join" not in graph


def test_a_consumer_of_the_whole_gets_it_joined() -> None:
    listing = Opaque(name="list", pure=True, inputs=("expand.queries",))
    graph, _ = pipelined(EXPAND, SEARCH, listing)
    assert graph["expand.decode.join"].outputs == ("expand.queries",)
    assert graph["list.host"].inputs == ("expand.queries",)


def test_without_pruning_the_other_values_of_a_batch_keep_their_place() -> None:
    both = replace(SEARCH, queries=4, inputs=("question", "expand.queries"))
    graph, _ = pipelined(EXPAND, both)
    assert graph["search.search.join"].inputs == (
        "search.hits[question]",
        "search.hits[expand.queries][0]",
        "search.hits[expand.queries][1]",
        "search.hits[expand.queries][2]",
    )


def test_it_is_done_without_profiles() -> None:
    _, (decision,) = pipelined(EXPAND, SEARCH, context=PassContext(can_stream=frozenset({"llm"})))
    assert decision.applied
    assert decision.predicted_gain is None


def test_it_is_left_where_streaming_costs_more_than_it_saves() -> None:
    _, (free,) = pipelined(EXPAND, SEARCH)
    assert free.predicted_gain is not None
    decode = 64 * LLM.decode_per_token
    for share, applied in ((0.9, True), (1.1, False)):
        streaming = share * free.predicted_gain / decode
        context = replace(EVERYTHING, streaming=streaming)
        _, (decision,) = pipelined(EXPAND, SEARCH, context=context)
        assert decision.applied is applied
        assert decision.predicted_gain == pytest.approx((1 - share) * free.predicted_gain)


FLAT = Curve.of([(1, 0.1), (64, 0.1)])
FLAT_ENGINES = Profiles({name: EngineProfile("any", FLAT) for name in ("bge", "pg")})


@pytest.mark.parametrize(
    ("first", "second", "context", "reason"),
    [
        (
            QueryExpansion(name="expand", llm="llm", queries=1),
            SEARCH,
            EVERYTHING,
            "its output is one item",
        ),
        (
            QueryExpansion(name="expand", llm="llm", splittable=False),
            SEARCH,
            EVERYTHING,
            "its items cannot be recognised while it is being decoded",
        ),
        (
            EXPAND,
            Opaque(name="list", pure=True),
            EVERYTHING,
            "nothing batchable follows that could start on an item",
        ),
        (
            EXPAND,
            SEARCH,
            PassContext(),
            "not proven yet that a reply of 'llm' can be rebuilt exactly",
        ),
        (
            EXPAND,
            SEARCH,
            PassContext(FLAT_ENGINES, can_stream=frozenset({"llm"})),
            "the predicted gain is not positive",
        ),
        (
            Synthesis(
                name="expand",
                llm="llm",
                mode=SynthesisMode.GENERATION,
                outputs=("expand.queries",),
            ),
            SEARCH,
            EVERYTHING,
            "its output is one item",
        ),
    ],
)
def test_refusals(first: Component, second: Component, context: PassContext, reason: str) -> None:
    graph, (decision,) = pipelined(first, second, context=context)
    assert not any(primitive.op is Op.PARTIAL_DECODING for primitive in graph)
    assert not decision.applied
    assert decision.reason == reason
