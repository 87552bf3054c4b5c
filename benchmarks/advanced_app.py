"""The advanced app of ``examples/apps`` at a size of its own, to measure our own code with.

Its simulated engines answer with stand-ins, which cost no CPU time: those of ``examples/apps`` work
their answers out from texts.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Final, cast

from ayo_bridge.graph import Flow
from ayo_bridge.passes import PassContext
from ayo_bridge.profile import Profiles
from ayo_bridge.schedule import Policy
from ayo_bridge.seam import Call, Limits
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
from examples.apps.advanced import ADVANCED
from examples.apps.naive import NAIVE

INPUTS: Final = ADVANCED.inputs
SIZES: Final = replace(ADVANCED.sizes, chunks=20, question_tokens=618, answer_tokens=48)
"""20 chunks in, 3 expansions, a refine chain over 3; prompts as long as in the prototype's logs."""
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
    chunks: int = SIZES.chunks,
    calls: int = SIZES.top_n,
    answer_tokens: int = SIZES.answer_tokens,
) -> Flow:
    """The app of this size. ``mark`` tells the components of one from another's."""
    sizes = replace(SIZES, chunks=chunks, top_n=calls, answer_tokens=answer_tokens)
    return _marked(ADVANCED.workflow(sizes), mark)


def tree(calls: int) -> Flow:
    """The naive app with so many leaves."""
    return NAIVE.workflow(replace(SIZES, top_k=calls))


def _marked(app: Flow, mark: str) -> Flow:
    """The same app with a mark on the names of its components, and of their values."""
    names = {component.name: component.name + mark for component in app.components}

    def marked(value: str) -> str:
        component, dot, rest = value.partition(".")
        return names.get(component, component) + dot + rest

    return Flow(
        tuple(
            replace(each, name=names[each.name], inputs=tuple(map(marked, each.inputs)))
            for each in app.components
        ),
        tuple((names[before], names[after]) for before, after in app.edges),
        tuple(names[head] for head in app.heads),
        tuple(names[tail] for tail in app.tails),
    )


def inputs(query: int, chunks: int = SIZES.chunks) -> dict[str, object]:
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
