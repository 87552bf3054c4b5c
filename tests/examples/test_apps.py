"""The paper's apps as descriptions: pure, of the paper's sizes, and valid graphs."""

from dataclasses import replace

import pytest

from ayo_bridge.graph import Op, decompose
from examples.apps import APPS, KINDS, AppSpec

every_app = pytest.mark.parametrize("spec", APPS.values(), ids=APPS)


@every_app
def test_a_description_is_a_valid_graph_on_the_engines_it_names(spec: AppSpec) -> None:
    graph = decompose(spec.template())
    assert graph.inputs == set(spec.inputs)
    assert {primitive.engine for primitive in graph} - {""} == set(spec.engines)
    assert set(spec.engines) <= set(KINDS)


@every_app
def test_equal_sizes_give_equal_flows_and_others_other_ones(spec: AppSpec) -> None:
    assert spec.workflow(spec.sizes) == spec.workflow(replace(spec.sizes))
    longer = replace(spec.sizes, answer_tokens=spec.sizes.answer_tokens + 1)
    assert spec.workflow(longer) != spec.workflow(spec.sizes)


@pytest.mark.parametrize(
    ("name", "calls"),
    # The advanced app: 1 expansion and a chain of 3. The naive: 3 leaves and 1 root.
    [("search", 3), ("naive", 4), ("advanced", 4), ("contextual", 49), ("agent", 2)],
)
def test_an_app_makes_as_many_llm_calls_as_in_the_paper(name: str, calls: int) -> None:
    graph = decompose(APPS[name].template())
    assert sum(primitive.op is Op.PREFILLING for primitive in graph) == calls


@pytest.mark.parametrize(
    ("name", "op", "items"),
    [
        ("naive", Op.EMBEDDING, [48, 1]),
        ("advanced", Op.EMBEDDING, [48, 3]),
        ("advanced", Op.RERANKING, [48]),
        ("contextual", Op.RERANKING, [32]),
        ("agent", Op.API_CALL, [3]),
    ],
)
def test_batches_are_as_large_as_in_the_paper(name: str, op: Op, items: list[int]) -> None:
    graph = decompose(APPS[name].template())
    assert [primitive.items for primitive in graph if primitive.op is op] == items
