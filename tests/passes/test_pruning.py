from collections.abc import Hashable
from dataclasses import replace

from ayo_bridge.graph import (
    Choice,
    Component,
    Condition,
    Flow,
    Graph,
    Indexing,
    Opaque,
    QueryExpansion,
    Reranking,
    Searching,
    SynthesisMode,
    Template,
    choose,
    decompose,
)
from ayo_bridge.passes import DependencyPruning, PassContext, optimise
from tests.passes.workflows import EVERYTHING, EXPAND, PROFILES, SEARCH, synthesis

INPUTS = ("question", "documents")


def pruned(*components: Component, context: PassContext = EVERYTHING) -> Graph:
    p_graph = decompose(Template.chain(*components, inputs=INPUTS))
    return DependencyPruning().apply(p_graph, context).graph


def test_independent_calls_stop_waiting_for_each_other() -> None:
    graph = pruned(synthesis(SynthesisMode.TREE))
    assert graph.order == ()
    assert not graph.predecessors("answer.prefill[0][1]")


def test_the_gain_is_what_the_critical_path_loses() -> None:
    p_graph = decompose(Template.chain(synthesis(SynthesisMode.ACCUMULATE, 3)))
    (decision,) = DependencyPruning().apply(p_graph, EVERYTHING).decisions
    llm = PROFILES["llm"]
    call = sum(llm.seconds(p_graph[f"answer.{half}[0]"]) or 0 for half in ("prefill", "decode"))
    assert decision.predicted_gain is not None
    assert abs(decision.predicted_gain - 2 * call) < 1e-9


def test_a_search_stays_behind_the_write_to_its_store_and_nothing_else_does() -> None:
    index = Indexing(name="index", embedding="bge", store="pg")
    graph = pruned(index, EXPAND, Searching(name="s", embedding="bge", store="pg"))
    assert graph.order == (("index.ingest", "s.search"),)
    other = pruned(index, EXPAND, Searching(name="s", embedding="bge", store="other"))
    assert other.order == ()


def test_a_write_stays_behind_the_reads_of_its_store() -> None:
    index = Indexing(name="index", embedding="bge", store="pg")
    graph = pruned(Searching(name="s", embedding="bge", store="pg"), index)
    assert graph.order == (("s.search", "index.ingest"),)


def test_everything_stays_on_its_side_of_an_unknown_effect() -> None:
    graph = pruned(EXPAND, Opaque(name="log", inputs=("question",)), replace(EXPAND, name="more"))
    assert set(graph.order) == {("expand.decode", "log.host"), ("log.host", "more.prefill")}


def test_nothing_runs_before_the_condition_that_decides_on_it() -> None:
    graph = pruned(EXPAND, Condition(name="enough", inputs=("question",)), SEARCH)
    assert ("enough.condition", "search.embed[question]") in graph.order
    assert "expand.decode" not in graph.predecessors("enough.condition")


ENOUGH = Condition(name="enough", inputs=("question",))


def test_what_runs_whatever_is_chosen_does_not_wait_for_the_condition() -> None:
    flow = EXPAND >> choose(ENOUGH, {"yes": None, "no": SEARCH}) >> replace(EXPAND, name="more")
    graph = DependencyPruning().apply(decompose(flow.template()), EVERYTHING).graph
    assert ("enough.condition", "search.embed[question]") in graph.order
    assert not graph.predecessors("more.prefill")


def test_with_speculation_only_takers_wait_for_the_condition() -> None:
    answer = replace(synthesis(SynthesisMode.ONE_SHOT, 1), inputs=("question", "search.hits"))
    index = Indexing(name="index", embedding="bge", store="other")
    branches: dict[Hashable, Flow | None] = {"yes": None, "no": SEARCH >> index}
    flow = EXPAND >> choose(ENOUGH, branches, speculate=True) >> answer
    p_graph = decompose(flow.template(INPUTS))
    rewrite = DependencyPruning().apply(p_graph, EVERYTHING)
    assert "enough.condition" not in rewrite.graph.predecessors("search.embed[question]")
    # Who takes what may be missing, and what has an effect.
    assert set(rewrite.graph.order) == {
        ("enough.condition", "answer.prefill[0]"),
        ("enough.condition", "index.ingest"),
    }
    reasons = {d.reason: d.targets for d in rewrite.decisions if d.applied}
    assert reasons["its branches start before it is decided"] == ("enough.condition",)
    paper = DependencyPruning(speculate=False).apply(p_graph, EVERYTHING)
    assert "enough.condition" in paper.graph.predecessors("search.embed[question]")


def test_what_every_branch_has_does_not_wait_either() -> None:
    branches: dict[Hashable, Component | Flow] = {
        "yes": SEARCH,
        "no": SEARCH >> replace(EXPAND, name="more"),
    }
    flow = EXPAND >> choose(ENOUGH, branches)
    graph = DependencyPruning().apply(decompose(flow.template()), EVERYTHING).graph
    assert graph.order == (("enough.condition", "more.prefill"),)


def test_an_effect_waits_for_a_condition_that_does_not_choose_it() -> None:
    index = Indexing(name="index", embedding="bge", store="pg")
    flow = choose(ENOUGH, {"yes": EXPAND, "no": None}) >> index
    graph = DependencyPruning().apply(decompose(flow.template(INPUTS)), EVERYTHING).graph
    assert "enough.condition" in graph.predecessors("index.ingest")
    assert not graph.predecessors("index.embed")


def test_each_of_two_conditions_holds_back_what_both_decide_on() -> None:
    # Neither condition waits for the other: the order after both does not follow from one.
    names = ("one", "two")
    conditions = [Condition(name=name, inputs=("question",)) for name in names]
    template = Template(
        (*conditions, SEARCH, EXPAND),
        (("one", "two"), ("two", "search")),
        choices=tuple(Choice(name, ((True, ("search",)), (False, ()))) for name in names),
    )
    graph = optimise(decompose(template), EVERYTHING).graph
    for part in ("search.embed[question]", "search.embed[expand.queries][0]"):
        assert {"one.condition", "two.condition"} <= graph.predecessors(part)


def test_kept_orders_are_explained() -> None:
    index = Indexing(name="index", embedding="bge", store="pg")
    p_graph = decompose(
        Template.chain(index, Searching(name="s", embedding="bge", store="pg"), inputs=INPUTS)
    )
    kept = DependencyPruning().apply(p_graph, EVERYTHING).decisions[-1]
    assert not kept.applied
    assert kept.reason == "order kept: index.ingest writes to pg"


def test_a_batch_of_several_values_is_cut_by_value_down_to_the_consumer_of_the_whole() -> None:
    graph = pruned(EXPAND, SEARCH, Opaque(name="fusion", pure=True))
    assert graph["search.search[question]"].inputs == ("search.vectors[question]",)
    assert not graph.predecessors("search.embed[question]")
    assert graph["search.embed[expand.queries]"].items == 3
    assert "search.embed.join" not in graph
    assert graph["search.search.join"].inputs == (
        "search.hits[question]",
        "search.hits[expand.queries]",
    )
    assert graph["fusion.host"].inputs == ("search.hits",)
    assert {graph[name].root for name in graph.primitives if "embed" in name} == {"search.embed"}


def test_values_known_together_are_not_cut() -> None:
    both = Searching(name="s", embedding="bge", store="pg", queries=2, inputs=INPUTS)
    assert list(pruned(both).primitives) == ["s.embed", "s.search"]


def test_every_part_of_a_reranking_takes_the_query() -> None:
    lists = (SEARCH, Searching(name="web", embedding="", store="bm25"))
    rerank = Reranking(
        name="r", reranker="x", candidates=8, inputs=("question", "search.hits", "web.hits")
    )
    graph = pruned(QueryExpansion(name="expand", llm="llm"), *lists, rerank)
    assert graph["r.rerank[web.hits]"].inputs == ("question", "web.hits")
    assert graph["r.rerank[search.hits][expand.queries]"].inputs == (
        "question",
        "search.hits[expand.queries]",
    )


def test_strict_leaves_batches_whole_and_says_so() -> None:
    p_graph = decompose(Template.chain(EXPAND, SEARCH))
    rewrite = DependencyPruning().apply(p_graph, replace(EVERYTHING, strict=True))
    assert "search.embed" in rewrite.graph
    assert [d.reason for d in rewrite.decisions] == [
        "strict: another batch would change the last bits of the scores"
    ]
