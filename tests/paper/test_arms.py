"""The arms differ in orchestration only."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ayo_bridge.graph import Graph
from ayo_bridge.seam import Call
from ayo_bridge.simulate import BatchRequest, SimulatedLLM
from ayo_bridge.workflow import Ingest, Search
from benchmarks.paper.parameters import Workload, parameters
from benchmarks.paper.payloads import Payloads
from benchmarks.paper.run import Run, inputs_of, poisson, simulate
from benchmarks.paper.schemes import MESSAGE, SCHEMES, scheme
from benchmarks.paper.system import Models, build
from examples.apps import APPS

GIVEN = parameters()


def small(app: str) -> Workload:
    known = next(workload for workload in GIVEN.workloads.values() if workload.app == app)
    return replace(known, sizes=replace(known.sizes, chunks=36, answer_tokens=12, note_tokens=6))


def served(app: str, arm: str, rate: float = 2.0) -> Run:
    models = Models("7B", GIVEN.assistants[app])
    return simulate(GIVEN, poisson(small(app), rate, 6, 1), models, arm)


def e_graph(app: str, arm: str) -> Graph:
    workload = small(app)
    models = Models("7B", GIVEN.assistants[app])
    made = build(GIVEN, [workload], models, scheme(arm, app, GIVEN), Payloads())
    return made.plan(inputs_of(0, workload), APPS[app].workflow(workload.sizes)).e_graph


def runs_before(graph: Graph, first: str, second: str) -> bool:
    reached: set[str] = set()
    left = [first]
    while left:
        name = left.pop()
        new = graph.successors(name) - reached
        reached |= new
        left += new
    return second in reached


@pytest.mark.parametrize("app", sorted(GIVEN.assistants))
def test_every_arm_answers_alike_with_as_many_tokens(app: str) -> None:
    runs = [served(app, arm) for arm in SCHEMES]
    work = [[(one.answer, one.decoded) for one in run.served] for run in runs]
    assert all(each == work[0] for each in work)
    assert all(decoded > 0 for _, decoded in work[0])


def test_a_query_that_decodes_other_than_its_graph_says_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generate = Payloads.generate

    def shorter(self: Payloads, call: object) -> object:
        request = generate(self, call)  # type: ignore[arg-type]
        self.accounts[0].decoded -= 1
        return request

    monkeypatch.setattr(Payloads, "generate", shorter)
    with pytest.raises(AssertionError, match="decoded"):
        served("naive", "LlamaDist+TO")


def test_llamadist_is_a_chain_of_modules() -> None:
    graph = e_graph("advanced", "LlamaDist+TO")
    ends = ["index.ingest", "expand.prefill", "search.embed", "rerank.rerank", "answer.prefill[0]"]
    assert all(runs_before(graph, a, b) for a, b in itertools.pairwise(ends))


def test_llamadistpc_runs_independent_modules_side_by_side() -> None:
    advanced = e_graph("advanced", "LlamaDistPC+TO")
    assert not runs_before(advanced, "index.ingest", "expand.prefill")
    assert runs_before(advanced, "index.ingest", "search.embed")
    naive = e_graph("naive", "LlamaDistPC+TO")
    assert not runs_before(naive, "index.ingest", "search.embed")
    assert runs_before(naive, "index.ingest", "search.search")


def test_a_module_issues_its_calls_together() -> None:
    graph = e_graph("naive", "LlamaDist+TO")
    assert not runs_before(graph, "answer.prefill[0][0]", "answer.prefill[0][1]")


def test_agents_wait_for_messages() -> None:
    graph = e_graph("advanced", "AutoGen+TO")
    messages = [primitive.id for primitive in graph if primitive.component == MESSAGE]
    assert len(messages) == 3
    plain, agents = (served("advanced", arm, 0.001) for arm in ("LlamaDistPC+TO", "AutoGen+TO"))
    assert agents.mean == pytest.approx(plain.mean + 2 * GIVEN.message_seconds)


def test_everybody_has_the_same_engines() -> None:
    for arm in SCHEMES:
        workload = small("advanced")
        app = build(
            GIVEN, [workload], Models("7B", "7B"), scheme(arm, "advanced", GIVEN), Payloads()
        )
        engines = {name: registered.engine for name, registered in app._engines.items()}
        assert engines["llm"].limits.continuous
        llm = engines["llm"]
        assert isinstance(llm, SimulatedLLM)
        assert llm.batching.prefix_cache
        assert engines["embedding"].limits.max_items == GIVEN.engines.embedding_batch


def test_a_question_that_is_asked_again_finds_its_own_chunks_again() -> None:
    payloads, chunks = Payloads(), tuple(f"q3 chunk {i}" for i in range(16))

    def asked(payload: Ingest | Search) -> BatchRequest:
        return payloads.batched(Call("store", object(), payload))

    asked(Ingest(chunks, 3))
    first = asked(Search(("q3 question",), 3, 3)).result
    asked(Ingest(chunks, 3))
    assert asked(Search(("q3 question",), 3, 3)).result == first
