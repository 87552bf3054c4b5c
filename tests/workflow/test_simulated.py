"""Native workflows on the simulated engines: the same apps, with costs instead of models."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.profile import EngineProfile, LLMProfile
from ayo_bridge.seam import Call
from ayo_bridge.simulate import (
    BatchRequest,
    LLMCosts,
    LLMRequest,
    SimulatedBatchEngine,
    SimulatedLLM,
    VirtualPlacement,
    run_virtual,
)
from ayo_bridge.workflow import App, Embed, Generate, Ingest, Rerank, Result, Search
from tests.workflow.engines import PROFILES, Store, digest
from tests.workflow.workflows import DOCUMENTS, advanced


def generate(call: Call) -> LLMRequest:
    """The answer is known in advance; the engine tells when so much of it is there."""
    request = cast(Generate, call.payload)
    lines = [f"line {i} {digest(request.text)}\n" for i in range(request.items)]
    prompt = [(segment.text, segment.tokens) for segment in request.prompt]
    return LLMRequest.of_text(
        prompt, request.max_tokens, lines, on_text=request.on_text, priority=int(call.warm)
    )


def batched(call: Call) -> BatchRequest:
    match call.payload:
        case Embed(texts):
            return BatchRequest(result=[("vector of", text) for text in texts])
        case Rerank(query, candidates):
            return BatchRequest(result=[digest(query, c) / 2**32 for c in candidates])
        case Ingest():
            return BatchRequest("ingest")
        case Search(items, top_k):
            found = [Store._hits(item, DOCUMENTS, top_k) for item in items]
            return BatchRequest("search", found)
    raise TypeError(call.payload)


def app(passes: tuple[Pass, ...] = PIPELINE) -> App:
    costs = LLMCosts.from_profile(cast(LLMProfile, PROFILES["llm"]), kv_tokens=60_000)
    embedding, store, reranker = (
        cast(EngineProfile, PROFILES[name]) for name in ("bge", "pg", "cross")
    )
    made, placement = App(profiles=PROFILES, passes=passes), VirtualPlacement()
    made.register(SimulatedLLM("llm", costs), placement=placement, ask=generate)
    for engine in (
        SimulatedBatchEngine("bge", embedding),
        SimulatedBatchEngine("pg", {"ingest": store, "search": store}),
        SimulatedBatchEngine("cross", reranker),
    ):
        made.register(engine, placement=placement, ask=batched)
    return made


def run(passes: tuple[Pass, ...], queries: int = 3) -> Sequence[Result]:
    async def main() -> Sequence[Result]:
        engines = app(passes)
        inputs = [{"question": f"{i}?", "documents": DOCUMENTS} for i in range(queries)]
        return await asyncio.gather(*(engines.submit(each, advanced()) for each in inputs))

    return run_virtual(main())


def test_simulated_queries_give_the_same_values_optimised_and_earlier() -> None:
    for before, after in zip(run(()), run(PIPELINE), strict=True):
        for name in ("expand.queries", "search.hits", "rerank.ranked", "answer.answer"):
            assert after[name] == before[name]
        assert after.seconds < before.seconds


def test_cancelling_empties_the_simulated_engines() -> None:
    async def main() -> None:
        engines = app()
        query = engines.submit({"question": "?", "documents": DOCUMENTS}, advanced(), timeout=0.3)
        with pytest.raises(TimeoutError):
            await query
        schedulers = [engines.scheduler(name) for name in ("llm", "bge", "pg", "cross")]
        assert [(s.running, s.depth) for s in schedulers] == [(0, 0)] * 4

    run_virtual(main())
