"""The paper's advanced app, and an :class:`App` that simulates it: for benchmarks of our code."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Final, cast

from ayo_bridge.engines import Call, Limits
from ayo_bridge.graph import (
    Flow,
    Indexing,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.passes import PassContext
from ayo_bridge.profile import Profiles
from ayo_bridge.schedule import Policy
from ayo_bridge.simulate import (
    Batching,
    BatchRequest,
    LLMRequest,
    SimulatedBatchEngine,
    SimulatedLLM,
    VirtualPlacement,
    load_profiles,
)
from ayo_bridge.workflow import App, Embed, Generate, Ingest, Rerank, Search

INPUTS: Final = ("question", "documents")
PUBLISHED: Final = load_profiles()
COSTS: Final = PUBLISHED.llms["llama-2-7b@1x3090"]
EMBEDDING: Final = PUBLISHED.batches["bge-large-en-v1.5@1x3090"]
RERANKER: Final = PUBLISHED.batches["bge-reranker-large@1x3090"]
STORE: Final = {
    "insert": PUBLISHED.batches["pgvector.insert"],
    "search": PUBLISHED.batches["pgvector.search"],
}


def profiles(best_batch: int) -> Profiles:
    """The published costs, with one b* for everything that runs in batches."""
    batched = {"embedding": EMBEDDING, "store": STORE["insert"], "reranker": RERANKER}
    known = {name: replace(each, best_batch=best_batch) for name, each in batched.items()}
    return Profiles({"llm": COSTS.profile(), **known})


def context(best_batch: int) -> PassContext:
    """What the passes are told."""
    return PassContext(profiles(best_batch), frozenset(["llm"]), frozenset(["llm"]))


def advanced(
    mark: str = "",
    *,
    chunks: int = 20,
    calls: int = 3,
    mode: SynthesisMode = SynthesisMode.REFINE,
    answer_tokens: int = 48,
) -> Flow:
    """Index, expand, search, rerank, refine. ``mark`` tells the components of one from another's.

    Prompts are as long as in the prototype's published logs. The answer so far comes last in them,
    so that the rest can be prefilled early.
    """
    return (
        Indexing(name=f"index{mark}", embedding="embedding", store="store", items=chunks)
        >> QueryExpansion(name=f"expand{mark}", llm="llm", queries=3, prompt_tokens=184, tokens=78)
        >> Searching(
            name=f"search{mark}",
            embedding="embedding",
            store="store",
            queries=3,
            top_k=16,
            inputs=(f"expand{mark}.queries",),
        )
        >> Reranking(name=f"rerank{mark}", reranker="reranker", candidates=48)
        >> Synthesis(
            name=f"answer{mark}",
            llm="llm",
            mode=mode,
            chunks=calls,
            instruction_tokens=60,
            question_tokens=618,
            tokens=answer_tokens,
            context_first=False,
        )
    )


def inputs(query: int, chunks: int = 20) -> dict[str, object]:
    """What a query brings."""
    return {"question": f"{query}?", "documents": [f"passage {i}" for i in range(chunks)]}


def simulated(policy: str | Policy, *, best_batch: int = 128, delay: float = 0.005) -> App:
    """The app on two LLM instances and one of each other engine, on the virtual clock.

    The LLM is admitted what its KV caches hold; prompts run whole and before decodes, as in the
    vLLM that the published costs are of. ``delay`` is seconds to an engine, and back.
    """
    app = App(profiles=profiles(best_batch), policies=policy)
    limits = Limits(instances=2, max_items=2 * COSTS.kv_tokens, continuous=True)
    batching = Batching(step_tokens=2560, chunked=False)
    llm = SimulatedLLM("llm", COSTS, instances=2, batching=batching, limits=limits)
    placement = VirtualPlacement(delay)
    app.register(llm, placement=placement, ask=_generate)
    for name, costs in (("embedding", EMBEDDING), ("reranker", RERANKER), ("store", STORE)):
        engine = SimulatedBatchEngine(name, costs, limits=Limits(max_items=best_batch))
        app.register(engine, placement=placement, ask=_batched)
    return app


def _generate(call: Call) -> LLMRequest:
    """A prompt of known length, and an answer that is told line by line."""
    request = cast(Generate, call.payload)
    made = zlib.crc32(request.text.encode())
    lines = [f"line {i} of {made}\n" for i in range(request.items)]
    prompt = [(segment.text, segment.tokens) for segment in request.prompt]
    return LLMRequest.of_text(
        prompt, request.max_tokens, lines, on_text=request.on_text, priority=int(call.warm)
    )


def _batched(call: Call) -> BatchRequest:
    match call.payload:
        case Embed(texts):
            return BatchRequest(result=[None for _ in texts])
        case Rerank(_, candidates):
            return BatchRequest(result=[zlib.crc32(text.encode()) for text in candidates])
        case Ingest():
            return BatchRequest("insert")
        case Search(items, top_k):
            return BatchRequest("search", [[f"passage {i}" for i in range(top_k)] for _ in items])
    raise TypeError(f"no engine serves {call.payload!r}")
