"""What must hold for every workflow and whatever is known of the engines."""

import itertools
import random

import networkx as nx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayo_bridge.graph import (
    Choice,
    Component,
    Condition,
    Contextualising,
    Effect,
    Graph,
    Indexing,
    Op,
    Opaque,
    Primitive,
    QueryExpansion,
    Reranking,
    SearchApi,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.passes import PIPELINE, Pass, PassContext, optimise
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profiles
from tests.passes.symbolic import any_legal_order, run

DOCUMENTS = 5
INPUTS = {"question": ["question"], "documents": [f"document {i}" for i in range(DOCUMENTS)]}
KINDS = ("expand", "search", "rerank", "pure", "unknown", "index", "answer", "each", "if", "api")

thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """A chain of components; without effects any order that the data allows."""
    counts = {name: len(items) for name, items in INPUTS.items()}
    components: list[Component] = []
    for i in range(draw(st.integers(1, 7))):
        component, count = draw(_component(f"c{i}", counts))
        components.append(component)
        if component.outputs:
            counts[component.outputs[0]] = count
    names = [component.name for component in components]
    edges = list(itertools.pairwise(names))
    if not any(isinstance(c, Indexing | Opaque) for c in components):
        pairs = list(itertools.combinations(names, 2))
        edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    choices = [
        Choice(name, ((True, draw(branch)), (False, draw(branch))), draw(st.booleans()))
        for i, name in enumerate(names)
        if isinstance(components[i], Condition) and draw(st.booleans())
        for branch in [st.lists(st.sampled_from(names), unique=True).map(tuple)]
    ]
    return Template(tuple(components), tuple(edges), tuple(INPUTS), choices=tuple(choices))


@st.composite
def _component(draw: st.DrawFn, name: str, counts: dict[str, int]) -> tuple[Component, int]:
    some = st.lists(st.sampled_from(sorted(counts)), min_size=1, max_size=3, unique=True)
    inputs = tuple(draw(some))
    items = sum(counts[value] for value in inputs)
    out = (f"{name}.out",)
    match draw(st.sampled_from(KINDS)):
        case "expand":
            n, split = draw(st.integers(1, 5)), draw(st.booleans())
            expand = QueryExpansion(
                name=name, llm="llm", queries=n, splittable=split, inputs=inputs, outputs=out
            )
            return expand, n
        case "search":
            embedding = draw(st.sampled_from(["bge", ""]))
            search = Searching(
                name=name,
                embedding=embedding,
                store="pg",
                queries=items,
                inputs=inputs,
                outputs=out,
            )
            return search, items
        case "rerank":
            inputs = ("question", *(value for value in inputs if value != "question"))
            items = sum(counts[value] for value in inputs[1:]) or 1
            rerank = Reranking(
                name=name, reranker="cross", candidates=items, inputs=inputs, outputs=out
            )
            return rerank, items
        case "pure":
            return Opaque(name=name, pure=True, inputs=inputs, outputs=out), 5
        case "unknown":
            return Opaque(name=name, inputs=inputs, outputs=out), 5
        case "index":
            index = Indexing(
                name=name,
                embedding="bge",
                store="pg",
                items=DOCUMENTS,
                inputs=("documents",),
                outputs=out,
            )
            return index, DOCUMENTS
        case "each":
            n = draw(st.integers(1, 3))
            return Contextualising(name=name, llm="llm", items=n, outputs=out), n
        case "if":
            return Condition(name=name, inputs=inputs, outputs=out), 1
        case "api":
            return SearchApi(name=name, api="web", inputs=inputs, outputs=out), 1
    return draw(_synthesis(name, inputs))


@st.composite
def _synthesis(draw: st.DrawFn, name: str, inputs: tuple[str, ...]) -> tuple[Component, int]:
    mode = draw(st.sampled_from(SynthesisMode))
    chunks = draw(st.sampled_from([None, 1, 2, 3]))
    first = draw(st.booleans())
    answer = Synthesis(
        name=name,
        llm="llm",
        mode=mode,
        chunks=chunks,
        context_first=first,
        early_context=draw(st.booleans()),
        concurrent=draw(st.booleans()),
        inputs=("question", *(value for value in inputs if value != "question")),
        outputs=(f"{name}.out",),
    )
    return answer, {SynthesisMode.ACCUMULATE: chunks or 1, SynthesisMode.NONE: 5}.get(mode, 1)


@st.composite
def contexts(draw: st.DrawFn) -> PassContext:
    curve = Curve.of([(1, 0.01), (8, 0.02), (64, 0.12)])
    known: dict[str, EngineProfile | LLMProfile] = {}
    for engine in ("bge", "pg", "cross", "web"):
        if draw(st.booleans()):
            best = draw(st.sampled_from([None, 1, 2, 3, 8]))
            known[engine] = EngineProfile("any", curve, best)
    if draw(st.booleans()):
        known["llm"] = LLMProfile(0.01, 0.0005, 0.01)
    able = st.sampled_from([frozenset({"llm"}), frozenset()])
    load = {"llm": draw(st.sampled_from([0.0, 0.9, 5.0]))} if draw(st.booleans()) else {}
    return PassContext(Profiles(known), draw(able), draw(able), draw(st.booleans()), load)


@thorough
@given(templates(), contexts(), st.permutations(PIPELINE), st.integers(0, 4), st.integers())
def test_values_are_those_of_the_original_whichever_passes_ran_and_in_any_legal_order(
    template: Template, context: PassContext, passes: list[Pass], count: int, seed: int
) -> None:
    p_graph = decompose(template)
    e_graph = optimise(p_graph, context, tuple(passes[:count])).graph
    chance = random.Random(seed)
    original = run(p_graph, INPUTS, any_legal_order(p_graph, chance))
    rewritten = run(e_graph, INPUTS, any_legal_order(e_graph, chance))
    for value, items in original.items():
        if value in rewritten:
            assert rewritten[value] == items, value
    used = {value for primitive in p_graph for value in primitive.inputs}
    results = {value for primitive in p_graph for value in primitive.outputs} - used
    assert results <= set(rewritten)


@thorough
@given(templates(), contexts())
def test_one_round_is_the_fixed_point(template: Template, context: PassContext) -> None:
    first = optimise(decompose(template), context)
    assert optimise(first.graph, context).graph == first.graph
    again = optimise(decompose(template), context)
    assert again == first
    assert list(again.graph.primitives) == list(first.graph.primitives)


@thorough
@given(templates(), contexts())
def test_each_pass_changes_nothing_the_second_time(
    template: Template, context: PassContext
) -> None:
    for each in PIPELINE:
        graph = each.apply(decompose(template), context).graph
        assert each.apply(graph, context).graph == graph, each.name


@thorough
@given(templates(), contexts())
def test_every_order_that_can_be_seen_from_outside_is_kept(
    template: Template, context: PassContext
) -> None:
    p_graph = decompose(template)
    e_graph = optimise(p_graph, context).graph
    before, after = _paths(p_graph), _paths(e_graph)
    parts: dict[str, list[Primitive]] = {}
    for primitive in e_graph:
        if primitive.op is not Op.AGGREGATE:
            parts.setdefault(primitive.root, []).append(primitive)
    for first, second in itertools.permutations(p_graph, 2):
        if second.id in before[first.id] and _order_matters(first, second, p_graph):
            for a, b in itertools.product(parts.get(first.id, ()), parts.get(second.id, ())):
                if a.op is Op.PARTIAL_PREFILLING:
                    continue
                # A part that takes nothing which may be missing need not know whether it is.
                if not first.speculative or _order_matters(a, b, e_graph):
                    assert b.id in after[a.id], f"{a.id} before {b.id}"


@thorough
@given(templates(), contexts())
def test_no_item_is_lost_or_done_twice(template: Template, context: PassContext) -> None:
    p_graph = decompose(template)
    e_graph = optimise(p_graph, context).graph
    done: dict[str, int] = {}
    for primitive in e_graph:
        if primitive.op not in (Op.AGGREGATE, Op.PARTIAL_PREFILLING):
            done[primitive.root] = done.get(primitive.root, 0) + primitive.items
    for primitive in p_graph:
        if primitive.op is not Op.AGGREGATE:
            assert done[primitive.id] == primitive.items


@thorough
@given(templates())
def test_depth_is_the_longest_path_to_a_sink(template: Template) -> None:
    graph = decompose(template)
    drawn = _networkx(graph)
    depths = graph.depths()
    for name in graph.primitives:
        reachable = drawn.subgraph({name} | nx.descendants(drawn, name))
        assert depths[name] == nx.dag_longest_path_length(reachable, weight=None) + 1


def _networkx(graph: Graph) -> nx.DiGraph:
    drawn = nx.DiGraph()
    drawn.add_nodes_from(graph.primitives)
    drawn.add_edges_from((edge.source, edge.target) for edge in graph.edges)
    return drawn


def _paths(graph: Graph) -> dict[str, set[str]]:
    drawn = _networkx(graph)
    return {name: nx.descendants(drawn, name) for name in graph.primitives}


def _order_matters(first: Primitive, second: Primitive, graph: Graph) -> bool:
    effects = {first.effect, second.effect}
    if Effect.UNKNOWN in effects:
        return True
    if first.op is not Op.CONDITION:
        return Effect.WRITE in effects and first.engine == second.engine
    if second.effect is not Effect.PURE or first.optional is None:
        return True
    if not first.speculative:
        return second.component in first.optional
    # Branches start early; whoever takes what may be missing has to know whether it is.
    makers = [graph.producer(value) for value in second.inputs]
    return any(
        all(second.component not in branch for branch in first.speculative)
        or any(second.component in b and maker not in b for b in first.speculative)
        for maker in {graph[name].component for name in makers if name is not None}
        if maker in first.optional
    )
