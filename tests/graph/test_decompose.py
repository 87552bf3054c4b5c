from typing import Any

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import (
    Component,
    Condition,
    Contextualising,
    Effect,
    Graph,
    Indexing,
    Op,
    Opaque,
    QueryExpansion,
    Reranking,
    SearchApi,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    decompose,
    expand_synthesis,
)


def graph_of(*components: Component, inputs: tuple[str, ...] = ("question", "hits")) -> Graph:
    return decompose(Template.chain(*components, inputs=inputs))


def answer(mode: SynthesisMode, chunks: int | None, **options: Any) -> Synthesis:
    return Synthesis(
        name="a", llm="llm", mode=mode, chunks=chunks, inputs=("question", "hits"), **options
    )


def prompt(graph: Graph, primitive: str) -> list[str | None]:
    return [part.value for part in graph[primitive].prompt]


def test_query_expansion_is_a_splittable_call() -> None:
    graph = graph_of(QueryExpansion(name="e", llm="llm", queries=4, tokens=80))
    assert list(graph.primitives) == ["e.prefill", "e.decode"]
    decode = graph["e.decode"]
    assert (decode.op, decode.items, decode.tokens) == (Op.DECODING, 4, 80)
    assert decode.splittable
    assert decode.outputs == ("e.queries",)
    assert graph["e.prefill"].prompt_tokens == 64


def test_searching_embeds_first_unless_the_store_takes_text() -> None:
    embedding = graph_of(Searching(name="s", embedding="bge", store="pg", queries=2))
    assert list(embedding.primitives) == ["s.embed", "s.search"]
    assert embedding["s.search"].inputs == ("s.vectors",)
    text = graph_of(Searching(name="s", embedding="", store="bm25", inputs=("hits",)))
    assert list(text.primitives) == ["s.search"]
    assert text["s.search"].inputs == ("hits",)


def test_natural_inputs_are_the_question_and_the_contexts_before() -> None:
    graph = graph_of(
        Searching(name="s", embedding="bge", store="pg"),
        QueryExpansion(name="e", llm="llm"),
        Reranking(name="r", reranker="cross"),
        Synthesis(name="a", llm="llm", mode=SynthesisMode.ONE_SHOT, chunks=1),
    )
    assert graph["r.rerank"].inputs == ("question", "s.hits")
    assert graph["a.prefill[0]"].inputs == ("question", "r.ranked")


def test_given_inputs_and_outputs_win() -> None:
    graph = graph_of(
        Searching(name="s", embedding="bge", store="pg", inputs=("hits",), outputs=("found",)),
        Reranking(name="r", reranker="cross", inputs=("hits", "found"), outputs=("best",)),
    )
    assert graph["s.embed"].inputs == ("hits",)
    assert graph["r.rerank"].inputs == ("hits", "found")
    assert graph["r.rerank"].outputs == ("best",)


def test_indexing_writes() -> None:
    graph = graph_of(
        Indexing(name="i", embedding="bge", store="pg", items=9), inputs=("documents",)
    )
    assert graph["i.ingest"].effect is Effect.WRITE
    assert graph["i.ingest"].inputs == ("i.vectors",)
    assert {primitive.items for primitive in graph} == {9}


def test_only_pure_opaque_components_are_pure() -> None:
    graph = graph_of(Opaque(name="p", pure=True), Opaque(name="u"), SearchApi(name="w", api="web"))
    assert graph["p.host"].effect is Effect.PURE
    assert graph["p.host"].inputs == ("question", "hits")
    assert graph["u.host"].effect is Effect.UNKNOWN
    assert graph["u.host"].inputs == ("p.result",)
    assert graph["w.call"].op is Op.API_CALL


def test_contextualising_makes_one_call_an_item_and_indexing_takes_the_result() -> None:
    graph = graph_of(
        Contextualising(name="c", llm="llm", items=2),
        Indexing(name="i", embedding="bge", store="pg"),
        inputs=("documents",),
    )
    assert graph["c.join"].inputs == ("c.contexts[0]", "c.contexts[1]")
    assert graph["i.embed"].inputs == ("c.contexts",)
    assert ("c.decode[0]", "c.prefill[1]") in graph.order
    assert not graph["c.decode[0]"].splittable


def test_the_p_graph_runs_in_the_order_of_the_original() -> None:
    graph = graph_of(
        QueryExpansion(name="e", llm="llm"),
        Condition(name="c"),
        Searching(name="s", embedding="bge", store="pg"),
        answer(SynthesisMode.TREE, 3),
    )
    assert graph.topological_order() == list(graph.primitives)
    assert all(len(graph.successors(name)) >= 1 for name in list(graph.primitives)[:-1])
    assert ("e.decode", "c.condition") in graph.order


def test_template_order_counts_not_listing_order() -> None:
    template = Template(
        (Searching(name="s", embedding="", store="x"), QueryExpansion(name="e", llm="llm")),
        (("e", "s"),),
    )
    assert list(decompose(template).primitives) == ["e.prefill", "e.decode", "s.search"]


def test_refine_is_a_chain_over_the_drafts() -> None:
    graph = graph_of(answer(SynthesisMode.REFINE, 3))
    assert graph["a.prefill[1]"].inputs == ("question", "hits", "a.draft[0]")
    assert graph["a.decode[1]"].outputs == ("a.draft[1]",)
    assert graph["a.decode[2]"].outputs == ("a.answer",)


@pytest.mark.parametrize(
    ("context_first", "early_context", "order"),
    [
        (True, True, [None, "hits", "question", "a.draft[0]"]),
        (False, True, [None, "question", "hits", "a.draft[0]"]),
        (True, False, [None, "question", "a.draft[0]", "hits"]),
    ],
)
def test_refine_prompts_keep_the_order_of_the_template(
    context_first: bool, early_context: bool, order: list[str | None]
) -> None:
    component = answer(
        SynthesisMode.REFINE, 2, context_first=context_first, early_context=early_context
    )
    graph = graph_of(component)
    assert prompt(graph, "a.prefill[1]") == order


def test_a_tree_has_a_call_a_chunk_and_a_root() -> None:
    graph = graph_of(answer(SynthesisMode.TREE, 2, context_first=False))
    assert prompt(graph, "a.prefill[0][1]") == [None, "question", "hits"]
    assert prompt(graph, "a.prefill[1][0]") == [
        None,
        "question",
        "a.summary[0][0]",
        "a.summary[0][1]",
    ]
    assert graph.order == (("a.decode[0][0]", "a.prefill[0][1]"),)


def test_concurrent_calls_have_no_order() -> None:
    assert graph_of(answer(SynthesisMode.TREE, 3, concurrent=True)).order == ()


def test_accumulate_joins_independent_answers() -> None:
    graph = graph_of(answer(SynthesisMode.ACCUMULATE, 2))
    assert graph["a.join"].inputs == ("a.answer[0]", "a.answer[1]")
    assert graph["a.join"].outputs == ("a.answer",)


def test_modes_without_context() -> None:
    generation = graph_of(answer(SynthesisMode.GENERATION, None))
    assert generation["a.prefill[0]"].inputs == ("question",)
    assert graph_of(answer(SynthesisMode.NONE, None))["a.host"].op is Op.HOST


def test_an_unknown_number_of_chunks_is_one_expand() -> None:
    graph = graph_of(answer(SynthesisMode.REFINE, None))
    assert list(graph.primitives) == ["a.expand"]
    assert (graph["a.expand"].op, graph["a.expand"].engine) == (Op.EXPAND, "llm")


def test_expanding_gives_what_would_have_been_there() -> None:
    known = graph_of(answer(SynthesisMode.ACCUMULATE, 2))
    fragment = expand_synthesis(answer(SynthesisMode.ACCUMULATE, None), 2)
    assert fragment.primitives == known.primitives
    assert fragment.inputs == {"question", "hits"}


def test_each_step_of_an_expanded_refine_chain_has_its_own_chunk() -> None:
    fragment = expand_synthesis(answer(SynthesisMode.REFINE, None), 2)
    assert fragment.inputs == {"question", "hits[0]", "hits[1]"}
    assert "hits[1]" in fragment["a.prefill[1]"].inputs
    assert "hits[0]" not in fragment["a.prefill[1]"].inputs


def test_a_tree_expands_level_by_level() -> None:
    component = answer(SynthesisMode.TREE, None, concurrent=True)
    level = expand_synthesis(component, 2, prefix="L1")
    assert list(level.primitives) == [
        "a.L1.prefill[0]",
        "a.L1.decode[0]",
        "a.L1.prefill[1]",
        "a.L1.decode[1]",
        "a.L1.repack",
    ]
    assert level["a.L1.repack"].inputs == ("a.L1.summary[0]", "a.L1.summary[1]")
    assert level["a.L1.repack"].outputs == ("a.L1.repacked",)
    root = expand_synthesis(component, 1, prefix="L2")
    assert root["a.L2.decode[0]"].outputs == ("a.answer",)


def test_expanding_into_nothing_is_an_error() -> None:
    with pytest.raises(GraphError, match="0 chunks"):
        expand_synthesis(answer(SynthesisMode.TREE, None), 0)


def test_a_cycle_is_an_error() -> None:
    parts = (QueryExpansion(name="a", llm="x"), QueryExpansion(name="b", llm="x"))
    with pytest.raises(GraphError, match="cycle"):
        decompose(Template(parts, (("a", "b"), ("b", "a"))))


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(GraphError, match="documents"):
        graph_of(Indexing(name="i", embedding="bge", store="pg"))


def test_an_unknown_kind_of_component_is_an_error() -> None:
    with pytest.raises(GraphError, match="Opaque"):
        graph_of(Component(name="x"))


def test_a_tool_is_called_once_or_for_each_item() -> None:
    graph = graph_of(
        SearchApi(name="once", api="web"),
        SearchApi(name="each", api="web", inputs=("question",), calls=3),
    )
    once, each = graph["once.call"], graph["each.call"]
    assert (once.items, once.batchable) == (1, False)
    assert (each.items, each.batchable) == (3, True)
