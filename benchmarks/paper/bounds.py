"""What no schedule can beat: bounds on the latency of one query, and on the mean under load.

Every bound is of work: the calls that every arm makes, at the rate at which the engines would do
them in batches of the best size, without waiting, messages, or a second prefill of anything. What
no arm is spared is counted: the way to an engine and back, and what a step of an LLM costs that
cannot hold more prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.primitive import DECODES, PREFILLS
from ayo_bridge.graph.timing import asap, critical_path
from ayo_bridge.profile import EngineProfile
from ayo_bridge.simulate import LLMCosts
from ayo_bridge.workflow import App
from benchmarks.paper.jobs import Point, run_all, statistics
from benchmarks.paper.parameters import EngineSettings, Panel, Parameters, parameters
from benchmarks.paper.payloads import Payloads, found, is_searched
from benchmarks.paper.run import inputs_of, poisson
from benchmarks.paper.schemes import OURS, scheme
from benchmarks.paper.system import BATCHED, Models, build, published, web_search
from examples.apps import APPS
from examples.apps.spec import EMBEDDING, STORE, WEB

Json = dict[str, Any]


class Costs:
    """Seconds of primitives on the engines of a panel, alone or in the best of batches."""

    def __init__(self, given: Parameters, panel: Panel) -> None:
        self.settings: EngineSettings = given.engines
        self.llms: Mapping[str, LLMCosts] = Models(panel.core, panel.assistant).costs(given)
        self.batches = published().batches

    def alone(self, primitive: Primitive, web: float = 0.0) -> float:
        """As the only work of its engine, with the way there and back.

        ``web`` is what a search of the web takes, if it is made.
        """
        if primitive.engine == WEB:
            return web
        costs, way = self.llms.get(primitive.engine), self.settings.delay
        if costs is not None:
            if primitive.op in DECODES:
                # The first token comes out of the prefill; items are passed on as they are made.
                tokens = max(primitive.tokens - (primitive.stage in (None, 0)), 0)
                return tokens * costs.decode(1) + (way if primitive.stage is None else 0.0)
            return way + costs.prefill([(self.uncached(primitive), 0)])
        curve = self._curve(primitive)
        return 2 * way + curve.curve.seconds(primitive.items) if curve is not None else 0.0

    def least(self, primitive: Primitive, context: float) -> float:
        """Its share of an instance's time when batches are as good as can be.

        ``context`` is the mean number of KV tokens of a running sequence: more of them do not fit.
        """
        costs = self.llms.get(primitive.engine)
        if costs is not None:
            if primitive.op in DECODES:
                fit = max(int(costs.kv_tokens // context), 1)
                best = min(costs.decode(b) / b for b in range(1, fit + 1))
                return max(primitive.tokens - 1, 0) * best
            return primitive.prompt_tokens * costs.prefill_per_token
        curve = self._curve(primitive)
        if curve is None:
            return 0.0
        limit = {STORE: self.settings.store_batch, EMBEDDING: self.settings.embedding_batch}.get(
            primitive.engine, self.settings.reranker_batch
        )
        return primitive.items * min(curve.curve.seconds(n) / n for n in range(1, limit + 1))

    def uncached(self, prefill: Primitive) -> int:
        """Prompt tokens that cannot be in the cache when a query comes to this call.

        The cache may hold whole blocks of what is before the first part that is made on the way;
        calls see different chunks, contexts and drafts.
        """
        known = 0
        for part in prefill.prompt:
            if part.value not in (None, "question"):
                break
            known += part.tokens
        return prefill.prompt_tokens - known // self.settings.block * self.settings.block

    def steps(self, fresh: Sequence[int]) -> float:
        """Steps of an LLM at least that prefill prompts with so many tokens each.

        Prompts run whole: of those above any size only so many share a step.
        """
        if self.settings.chunked:
            return sum(fresh) / self.settings.step_tokens
        most = self.settings.max_sequences
        return max(
            sum(tokens >= size for tokens in fresh)
            / min(max(self.settings.step_tokens // max(size, 1), 1), most)
            for size in fresh
        )

    def instances(self, engine: str) -> int:
        """Of the engine."""
        if engine in self.llms:
            return self.settings.llm_instances
        return self.settings.other_instances

    def _curve(self, primitive: Primitive) -> EngineProfile | None:
        if primitive.engine == STORE:
            name = "pgvector.insert" if primitive.op is Op.INGESTION else "pgvector.search"
            return self.batches[name]
        return self.batches[BATCHED[primitive.engine]] if primitive.engine in BATCHED else None


def web_seconds(given: Parameters, panel: Panel, query: int) -> float:
    """What a query's search of the web takes, if it makes one."""
    workload = panel.workload
    if WEB not in APPS[workload.app].roles or not is_searched(query, workload.searched):
        return 0.0
    asked = str(inputs_of(query, workload)["question"])
    return web_search(given.engines).takes(found(asked)) + 2 * given.engines.delay


def graphs(given: Parameters, panel: Panel) -> tuple[Graph, Graph]:
    """The p-graph of the panel's app and its e-graph with the four passes."""
    workload = panel.workload
    app: App = build(
        given, [workload], Models(panel.core, panel.assistant), scheme(OURS, "", given), Payloads()
    )
    shape = app.plan(inputs_of(0, workload), APPS[workload.app].workflow(workload.sizes))
    return shape.p_graph, shape.e_graph


def single_bound(given: Parameters, panel: Panel) -> Json:
    """The larger of the critical path and each engine's own work, for one query alone.

    Seconds, and of queries that differ in their web search the mean of the first of them.
    Before an engine's work lies at least the shortest way to it, after it that to the answer.
    """
    costs = Costs(given, panel)
    p_graph, e_graph = graphs(given, panel)
    start = {name: begin for name, (begin, _) in asap(e_graph, costs.alone).items()}
    paths = _paths(given, panel, e_graph, costs, given.runs.single_queries)
    path = sum(paths) / len(paths)
    work = {
        engine: min(start[p.id] for p in e_graph if p.engine == engine)
        + costs.settings.delay
        + seconds / costs.instances(engine)
        + _tail(e_graph, engine, costs)
        for engine, seconds in _work(p_graph, costs).items()
    }
    return {"critical_path": path, "work": work, "bound": max([path, *work.values()])}


def mean_bound(
    given: Parameters, panel: Panel, rate: float, queries: int, seeds: Sequence[int]
) -> float:
    """A lower bound (s) on the mean latency of any schedule of these arrivals.

    The k-th query to end cannot end before the k-th of all arrivals and critical paths; nor before
    each engine has done its work for k queries, in the order of arrival, as fast as full batches
    allow, and the shortest way from that engine to the answer has passed.
    """
    costs = Costs(given, panel)
    p_graph, e_graph = graphs(given, panel)
    paths = _paths(given, panel, e_graph, costs, queries)
    work = _work(p_graph, costs)
    tails = {engine: _tail(e_graph, engine, costs) for engine in work}
    total = 0.0
    for seed in seeds:
        arrivals = [arrival.at for arrival in poisson(panel.workload, rate, queries, seed)]
        ends = sorted(at + path for at, path in zip(arrivals, paths, strict=True))
        for engine, seconds in work.items():
            free = 0.0
            for i, at in enumerate(arrivals):
                free = max(free, at + given.engines.delay) + seconds / costs.instances(engine)
                ends[i] = max(ends[i], free + tails[engine])
        total += sum(end - at for end, at in zip(ends, arrivals, strict=True)) / queries
    return round(total / len(seeds), 4)


def _paths(
    given: Parameters, panel: Panel, e_graph: Graph, costs: Costs, queries: int
) -> list[float]:
    """The critical path of each query (s); they differ in their search of the web, if any."""
    searched = {value for p in e_graph if p.engine == WEB for value in p.outputs}

    def path(web: float) -> float:
        def alone(primitive: Primitive) -> float:
            if not web and searched.intersection(primitive.inputs):
                prompt = tuple(part for part in primitive.prompt if part.value not in searched)
                primitive = replace(primitive, prompt=prompt)
            return costs.alone(primitive, web)

        return critical_path(e_graph, alone)

    webs = [web_seconds(given, panel, query) for query in range(queries)]
    known = {web: path(web) for web in set(webs)}
    return [known[web] for web in webs]


def _work(p_graph: Graph, costs: Costs) -> dict[str, float]:
    """Seconds of each engine for one query, at best.

    Of prompts only what no prefix cache can hold counts.
    """
    work: dict[str, float] = {}
    for engine in {p.engine for p in p_graph if p.engine and p.engine != WEB}:
        own = [p for p in p_graph if p.engine == engine]
        if engine not in costs.llms:
            work[engine] = sum(costs.least(p, 1.0) for p in own)
            continue
        decodes = [p for p in own if p.op in DECODES]
        held = [p.prompt_tokens for p in own if p.op in PREFILLS]
        context = sum(held) / len(held) / 2  # half of it at least is a sequence's own
        llm = costs.llms[engine]
        fresh = [costs.uncached(p) for p in own if p.op in PREFILLS]
        tokens = sum(fresh) + _questions(own, costs.settings.block)
        steps = costs.steps(fresh)
        work[engine] = (
            tokens * llm.prefill_per_token
            + steps * llm.prefill_base
            + sum(costs.least(p, context) for p in decodes)
        )
    return work


def _questions(own: Sequence[Primitive], block: int) -> int:
    """Prompt tokens of the question: prefilled once in each component, but for a block's rest."""
    parts = [(p.component, part) for p in own for part in p.prompt]
    question = {name: part.tokens for name, part in parts if part.value == "question"}
    return sum(max(tokens - block, 0) for tokens in question.values())


def _tail(e_graph: Graph, engine: str, costs: Costs) -> float:
    """Seconds at least from the last work of an engine to the answer."""
    back = 0.0 if engine in costs.llms else costs.settings.delay
    left: dict[str, float] = {}
    for name in reversed(e_graph.topological_order()):
        after = [left[n] + costs.alone(e_graph[n]) for n in e_graph.successors(name)]
        left[name] = max(after, default=0.0)
    return back + min(left[p.id] for p in e_graph if p.engine == engine)


def bounds() -> Json:
    """A single query of each 7B panel, in ours, beside its bound."""
    given = parameters()
    panels = [given.panel(app, dataset, "7B") for app, dataset in given.workloads]
    points = [
        Point(((p.workload.app, p.workload.dataset),), p.core, OURS, 0.0, given.runs.single_queries)
        for p in panels
    ]
    made = run_all(points, given.runs.seeds[:1], "bounds")
    return {
        panel.name: {**single_bound(given, panel), "ours": statistics(made[point])["mean"]}
        for panel, point in zip(panels, points, strict=True)
    }
