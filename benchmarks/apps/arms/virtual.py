"""The same baselines in virtual time: the arms of ``benchmarks.paper`` at an app's own sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from ayo_bridge.bench.loads import Load
from ayo_bridge.graph import (
    Flow,
    Indexing,
    Op,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.profile import Curve, EngineProfile, Profile, Profiles
from ayo_bridge.seam import Limits
from ayo_bridge.simulate import (
    Batching,
    SimulatedBatchEngine,
    SimulatedLLM,
    VirtualPlacement,
    load_profiles,
    run_virtual,
)
from ayo_bridge.workflow import App, Computed
from benchmarks.apps import emulation
from benchmarks.apps.arms.recorded import Asked
from benchmarks.paper.parameters import parameters
from benchmarks.paper.payloads import Payloads
from benchmarks.paper.schemes import MESSAGE, OURS, scheme
from examples.apps import APPS
from examples.apps.spec import EMBEDDING, LLM, RERANKER, STORE

INSTRUCTION: Final = 20
"""Tokens that all prompts of an app begin with; the frameworks' own are about so long."""
DELAY: Final = 0.002
"""Seconds of a call to an engine, and back: HTTP on one machine with its client."""
IN_MEMORY: Final = Curve.of([(1, 0.001), (256, 0.004)])
"""The programs' own store."""
NAMES: Final = {
    "llamadist": "LlamaDist",
    "llamadistpc": "LlamaDistPC",
    "autogen": "AutoGen",
}


def naive(asked: Asked) -> Flow:
    """Naive RAG: an answer a context, then one from the answers."""
    # The last call's prompt is the shortest: it has answers only. It waits for the longest answer.
    (_, last), *leaves = asked.written["answer"]
    tokens = round((last + max(written for _, written in leaves)) / 2)
    return _index(asked) >> _search() >> _answer(SynthesisMode.TREE, leaves, tokens)


def advanced(asked: Asked) -> Flow:
    """Advanced RAG: the question is rewritten, passages are reranked, the answer refined."""
    prompt, written = asked.mean("expand")
    queries = asked.items["embed"]
    expand = QueryExpansion(
        name="expand", llm=LLM, queries=queries, prompt_tokens=prompt, tokens=written
    )
    rerank = Reranking(name="rerank", reranker=RERANKER, candidates=asked.items["rerank"])
    search = replace(_search(), queries=queries, inputs=("expand.queries",))
    answer = _answer(SynthesisMode.REFINE, asked.written["answer"], asked.mean("answer")[1])
    return _index(asked) >> expand >> search >> rerank >> answer


FLOWS: Final[Mapping[str, Callable[[Asked], Flow]]] = {"naive": naive, "advanced": advanced}
"""By the name of an app's chain; its components are those of ``benchmarks.paper``."""


def _index(asked: Asked) -> Indexing:
    return Indexing(name="index", embedding=EMBEDDING, store=STORE, items=asked.items["index"])


def _search() -> Searching:
    return Searching(name="search", embedding=EMBEDDING, store=STORE, top_k=3)


def _answer(mode: SynthesisMode, calls: Sequence[tuple[int, int]], tokens: int) -> Synthesis:
    """Calls of a context each, whose prompts begin with it, as LlamaIndex's do."""
    prompt = round(sum(size for size, _ in calls) / len(calls))
    return Synthesis(
        name="answer",
        llm=LLM,
        mode=mode,
        chunks=len(calls),
        instruction_tokens=INSTRUCTION,
        question_tokens=INSTRUCTION,
        context_tokens=max(1, prompt - 2 * INSTRUCTION),
        tokens=tokens,
    )


def mean_latency(arm: str, app: str, asked: Sequence[Asked], llm: str, load: Load) -> float:
    """Mean seconds of queries that come as in a bench, in ``llamadist-to`` or ``ayo``."""
    return run_virtual(_asked(arm, app, asked, llm, load))


async def _asked(arm: str, app: str, asked: Sequence[Asked], llm: str, load: Load) -> float:
    payloads = Payloads()
    made = _build(_scheme(arm), app, llm, payloads)
    now = asyncio.get_running_loop().time
    seconds: list[float] = []

    async def ask(number: int, due: float | None) -> None:
        began = now() if due is None else due
        each = asked[number]
        inputs: dict[str, Any] = {
            "question": f"q{number} question",
            "documents": [f"q{number} chunk {i}" for i in range(each.items["index"])],
        }
        await made.submit(inputs, FLOWS[app](each))
        seconds.append(now() - began)

    for _ in ("as in a bench, each was asked before", "measured"):
        seconds.clear()
        payloads.accounts.clear()
        for turn, block in enumerate(load.blocks(len(asked))):
            await load.run(ask, block, turn)
    return sum(seconds) / len(seconds)


def _scheme(arm: str) -> str:
    system, _, policy = arm.partition("-")
    return f"{NAMES[system]}+{policy.upper()}" if policy else OURS


def _build(name: str, app: str, llm: str, payloads: Payloads) -> App:
    chosen = scheme(name, app, parameters())
    published = load_profiles()
    costs = published.llms[llm]
    batches = {
        EMBEDDING: published.batches[emulation.EMBEDDING],
        RERANKER: published.batches[emulation.RERANKER],
        STORE: EngineProfile(published.batches["pgvector.insert"].kind, IN_MEMORY, 256),
    }
    known: dict[str, Profile] = {LLM: costs.profile(), **batches}
    made = App(passes=chosen.passes, policies=chosen.policy, profiles=Profiles(known))
    made.handle((MESSAGE, Op.HOST), Computed(lambda: asyncio.sleep(DELAY)))
    for key, handler in APPS[app].handlers(APPS[app].sizes).items():
        made.handle(key, handler)
    engine = SimulatedLLM(
        LLM,
        costs,
        # LlamaDist alone has no prefix caching; else as stock vLLM.
        batching=Batching(2048, prefix_cache=not name.startswith("LlamaDist+"), found_at_once=True),
        limits=Limits(max_items=costs.kv_tokens, continuous=True),
    )
    made.register(engine, placement=VirtualPlacement(DELAY), ask=payloads.generate)
    for role, profile in batches.items():
        most = profile.best_batch or profile.curve.points[-1][0]
        batched = SimulatedBatchEngine(
            role,
            cast(Any, {"insert": profile, "search": profile}) if role == STORE else profile,
            limits=Limits(max_items=most),
        )
        made.register(batched, placement=VirtualPlacement(DELAY), ask=payloads.batched)
    return made


__all__ = ["FLOWS", "mean_latency"]
