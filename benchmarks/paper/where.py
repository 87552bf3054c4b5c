"""Fig. 12, Table 3: where the time goes, what splitting a prefill costs, what contention does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

from ayo_bridge.simulate import (
    Batching,
    Busy,
    LLMRequest,
    Segment,
    SimulatedLLM,
    run_virtual,
    virtual_scheduler,
)
from ayo_bridge.workflow import Result
from benchmarks.paper.jobs import in_background
from benchmarks.paper.parameters import Panel, Parameters, parameters
from benchmarks.paper.payloads import Payloads
from benchmarks.paper.published import SHARES, TABLE_3
from benchmarks.paper.run import inputs_of, poisson, simulate
from benchmarks.paper.schemes import OURS, PAPER, scheme
from benchmarks.paper.system import Models, build, published
from examples.apps import APPS
from examples.apps.spec import LLM

Json = dict[str, Any]
RATES: Final = (1.0, 2.0, 3.0, 4.0)
PREFILL_RATES: Final = (0.6, 1.0, 2.0, 8.0)
CONTENTION_RATES: Final = (0.6, 1.0)
CONTENDED: Final = ("TruthfulQA", "small_documents")
CONTENDING: Final = ("LlamaDist+TO", "LlamaDistPC+TO", "AutoGen+TO", OURS)
PARTS: Final = ("communication", "queueing", "execution")


def critical_parts(result: Result, delay: float) -> dict[str, float]:
    """Seconds of a query's latency, along the path that ended last.

    From the last primitive to end back to the one whose end it waited for. What waits inside an
    engine that batches by itself counts as execution.
    """
    graph, timings = result.e_graph, result.timings
    ended = {name: timing.ended for name, timing in timings.items() if timing.ended is not None}
    parts = dict.fromkeys(PARTS, 0.0)
    at: str | None = max((n for n in ended if n in graph), key=lambda n: ended[n])
    while at is not None:
        timing = timings[at]
        before = [n for n in graph.predecessors(at) if n in ended]
        previous = max(before, key=lambda n: ended[n], default=None)
        since = ended[previous] if previous is not None else result.submitted
        lasted = max(ended[at] - since, 0.0)
        queued = min(max(timing.started - max(timing.dispatched, since), 0.0), lasted)
        asked = bool(graph[at].engine) and timing.batch > 0
        sent = min(2 * delay, lasted - queued) if asked else 0.0
        parts["queueing"] += queued
        parts["communication"] += sent
        parts["execution"] += lasted - queued - sent
        at = previous
    return parts


def fig12() -> Json:
    """Shares of the latency of the advanced app, in percent, and what making its graph costs."""
    given = parameters()
    panel = given.panel("advanced", "TruthfulQA", "7B")
    models = Models(panel.core, panel.assistant)
    shares: dict[str, list[dict[str, float]]] = {}
    for arm in (PAPER, OURS):
        for rate in RATES:
            parts = dict.fromkeys(PARTS, 0.0)
            for seed in given.runs.seeds:
                kept: list[Result] = []
                arrivals = poisson(panel.workload, rate, given.runs.queries, seed)
                simulate(given, arrivals, models, arm, keep=kept)
                for result in kept:
                    for name, seconds in critical_parts(result, given.engines.delay).items():
                        parts[name] += seconds
            total = sum(parts.values())
            made = {name: round(100 * seconds / total, 2) for name, seconds in parts.items()}
            made["seconds"] = round(total / len(given.runs.seeds) / given.runs.queries, 4)
            shares.setdefault(arm, []).append(made)
    return {
        "rates": list(RATES),
        "shares": shares,
        "paper": {name: list(values) for name, values in SHARES.items()},
        "graph_ms": graph_milliseconds(given, panel),
    }


def prefills() -> Json:
    """Prompt tokens that the core LLM prefills for a query, by arm and rate.

    A prefix that is warmed and then evicted, or warmed on another instance, is prefilled twice.
    """
    given = parameters()
    arms = ("LlamaDist+TO", PAPER, "passes 1, 2 and 4", OURS)
    found: dict[str, dict[str, list[float]]] = {}
    for workload in (("advanced", "TruthfulQA"), ("advanced", "small_documents")):
        panel = given.panel(*workload, "7B")
        models = Models(panel.core, panel.assistant)
        for arm in arms:
            for rate in PREFILL_RATES:
                busy: list[Busy] = []
                arrivals = poisson(panel.workload, rate, given.runs.queries, given.runs.seeds[0])
                simulate(given, arrivals, models, arm, trace=busy.append)
                tokens = sum(each.items for each in busy if each.engine == LLM)
                found.setdefault("/".join(workload), {}).setdefault(arm, []).append(
                    round(tokens / given.runs.queries, 1)
                )
    return {"rates": list(PREFILL_RATES), "tokens": found}


def contention() -> Json:
    """Mean latency (s) at low rates, with the engines there are and with more than are needed.

    With an instance of every engine for each query nobody waits for another query: what is left is
    what a query waits for itself, in its arm.
    """
    given = parameters()
    jobs = [
        (workload, arm, rate, spare, seed)
        for workload in CONTENDED
        for arm in CONTENDING
        for rate in CONTENTION_RATES
        for spare in (False, True)
        for seed in given.runs.seeds
    ]
    found: dict[tuple[str, str, float, bool], list[float]] = {}
    for (workload, arm, rate, spare, _), mean in in_background(_contended, jobs, "contention"):
        found.setdefault((workload, arm, rate, spare), []).append(mean)

    def means(workload: str, arm: str, *, spare: bool) -> list[float]:
        each = [found[workload, arm, rate, spare] for rate in CONTENTION_RATES]
        return [round(sum(values) / len(values), 4) for values in each]

    return {
        "rates": list(CONTENTION_RATES),
        "datasets": {
            workload: {
                arm: {
                    "there_are": means(workload, arm, spare=False),
                    "to_spare": means(workload, arm, spare=True),
                }
                for arm in CONTENDING
            }
            for workload in CONTENDED
        },
    }


_Contended = tuple[str, str, float, bool, int]


def _contended(job: _Contended) -> tuple[_Contended, float]:
    dataset, arm, rate, spare, seed = job
    given = parameters()
    queries = given.runs.queries
    if spare:
        engines = replace(given.engines, llm_instances=queries, other_instances=queries)
        given = replace(given, engines=engines)
    panel = given.panel("advanced", dataset, "7B")
    arrivals = poisson(panel.workload, rate, queries, seed)
    return job, simulate(given, arrivals, Models(panel.core, panel.assistant), arm).mean


def graph_milliseconds(given: Parameters, panel: Panel) -> dict[str, float]:
    """Real milliseconds of this machine for building and optimising the e-graph, and again."""
    first: list[float] = []
    again: list[float] = []
    for _ in range(20):
        models = Models(panel.core, panel.assistant)
        app = build(given, [panel.workload], models, scheme(OURS, "", given), Payloads())
        workflow = APPS[panel.workload.app].workflow(panel.workload.sizes)
        for kept in (first, again):
            start = time.perf_counter()
            app.plan(inputs_of(0, panel.workload), workflow)
            kept.append(1e3 * (time.perf_counter() - start))
    return {"first": round(sorted(first)[10], 3), "seen_before": round(sorted(again)[10], 3)}


def table3() -> Json:
    """Milliseconds of a prefill in one and in two parts on the simulated 7B."""
    rows = []
    for partial, full, *paper in TABLE_3:
        alone = _prefill(((("a", partial), ("b", full)),))[0]
        first, rest = _prefill(((("a", partial),), (("a", partial), ("b", full))))
        rows.append(
            {
                "partial": partial,
                "full": full,
                "ms": {"partial": first, "full": rest, "single": alone},
                "paper_ms": dict(zip(("partial", "full", "single"), paper, strict=True)),
                "slower": (first + rest) / alone - 1,
                "paper_slower": (paper[0] + paper[1]) / paper[2] - 1,
                "critical": 1 - rest / alone,
                "paper_critical": 1 - paper[1] / paper[2],
            }
        )
    return {"rows": rows}


def _prefill(prompts: tuple[tuple[Segment, ...], ...]) -> list[float]:
    """Milliseconds of each prompt in turn, on one instance with a prefix cache."""

    async def main() -> list[float]:
        costs = published().llms[parameters().models["7B"]]
        engine = SimulatedLLM("llm", costs, batching=Batching(chunked=False))
        scheduler = virtual_scheduler(engine)
        loop, took = asyncio.get_running_loop(), []
        for prompt in prompts:
            start = loop.time()
            request = scheduler.submit(engine.call(LLMRequest(prompt)), query=0, node="prefill")
            await asyncio.wrap_future(request.future)
            took.append(1e3 * (loop.time() - start))
        return took

    return run_virtual(main())
