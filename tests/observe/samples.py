"""Realistic records, timed by a small model of engines instead of a clock."""

from collections.abc import Iterator
from dataclasses import replace

from ayo_bridge.graph import (
    Graph,
    Op,
    Opaque,
    Primitive,
    PromptPart,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.graph.primitive import DECODES, PREFILLS
from ayo_bridge.passes import Decision
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind, Outcome, Usage

LLM, EMBEDDER, RERANKER, STORE = "qwen2.5-7b", "all-MiniLM-L6-v2", "ms-marco-MiniLM", "pgvector"
KINDS = {
    LLM: EngineKind.LLM,
    EMBEDDER: EngineKind.EMBEDDING,
    RERANKER: EngineKind.RERANKER,
    STORE: EngineKind.VECTOR_STORE,
}
SERIAL = {EMBEDDER, RERANKER}
GLUE = 0.003
"""Seconds of the framework's own code before each engine call."""
SECONDS = {
    Op.EMBEDDING: 0.011,
    Op.SEARCHING: 0.008,
    Op.PARTIAL_PREFILLING: 0.030,
}


def seconds(primitive: Primitive) -> float:
    if primitive.op is Op.FULL_PREFILLING:
        return 0.008 + primitive.prompt[-1].tokens * 5e-5
    if primitive.op in PREFILLS:
        return 0.008 + primitive.prompt_tokens * 5e-5
    if primitive.op in DECODES:
        return primitive.tokens * 0.0025
    if primitive.op is Op.RERANKING:
        return 0.004 + 0.0035 * primitive.items
    return SECONDS.get(primitive.op, 0.0005)


def timed(
    record: CallRecord, direct: frozenset[str] = frozenset(), start: float = 100.0
) -> CallRecord:
    """Fill in the engine calls of a record, made ahead as early as the e-graph allows."""
    graph = record.e_graph
    ends: dict[str, float] = {}
    free: dict[str, float] = {}
    spans: dict[str, tuple[float, float, float]] = {}
    for name in graph.topological_order():
        primitive = graph[name]
        queued = max((ends[p] for p in graph.predecessors(name)), default=start + GLUE)
        begin = max(queued, free.get(primitive.engine, 0.0))
        ends[name] = begin + seconds(primitive)
        if primitive.engine in SERIAL:
            free[primitive.engine] = ends[name]
        if primitive.op in DECODES:
            prefill = next(p for p in _before(graph, name) if graph[p].op in PREFILLS)
            spans[prefill] = (*spans[prefill][:2], ends[name])
        elif primitive.engine:
            spans[name] = (queued, begin, ends[name])
    now = start
    made: list[EngineCall] = []
    for name in (p.id for p in graph if p.id in spans):
        primitive = graph[name]
        call = EngineCall(
            name, primitive.engine, KINDS[primitive.engine], ("key", name), Outcome.HIT, 0.0
        )
        call.queued, call.started, call.ended = spans[name]
        call.items = primitive.items
        if primitive.engine == LLM:
            decoded = sum(graph[d].tokens for d in _decodes(graph, name))
            call.tokens = Usage(primitive.prompt_tokens, decoded)
        if primitive.op is Op.PARTIAL_PREFILLING:
            call.outcome = Outcome.WARM
        else:
            now += GLUE
            if name in direct:
                call.outcome = Outcome.DIRECT
                length = call.ended - call.started
                call.queued = call.started = now
                call.ended = now + length
            call.waited = max(0.0, call.ended - now)
            now += call.waited
        made.append(call)
    return _with(record, made, started=start, ended=now + GLUE)


def _with(
    record: CallRecord, calls: list[EngineCall], *, started: float, ended: float | None
) -> CallRecord:
    return CallRecord(
        record.entry,
        started,
        record.template,
        record.p_graph,
        record.e_graph,
        record.decisions,
        calls,
        ended,
        record.predicted_gain,
    )


def _before(graph: Graph, name: str) -> Iterator[str]:
    while before := sorted(graph.predecessors(name), key=lambda p: graph[p].op not in DECODES):
        name = before[0]
        yield name


def _decodes(graph: Graph, name: str) -> list[str]:
    found = [s for s in graph.successors(name) if graph[s].op in DECODES]
    return found + [d for f in found for d in _decodes(graph, f)]


def _prefill_split(
    graph: Graph, name: str, early: tuple[PromptPart, ...], late: tuple[PromptPart, ...]
) -> Graph:
    whole = graph[name]
    inputs = tuple(part.value for part in early if part.value)
    partial = replace(
        whole,
        id=f"{name}[partial]",
        op=Op.PARTIAL_PREFILLING,
        inputs=inputs,
        outputs=(),
        prompt=early,
        origin=name,
    )
    full = replace(
        whole, id=f"{name}[full]", op=Op.FULL_PREFILLING, prompt=(*early, *late), origin=name
    )
    return graph.replace(remove=[name], add=[partial, full])


def fusion() -> CallRecord:
    """Fusion of the question and three more, reranked; one question over the best."""
    template = Template.chain(
        QueryExpansion(name="expand", llm=LLM, queries=3, tokens=48),
        Searching(
            name="search",
            embedding=EMBEDDER,
            store=STORE,
            queries=4,
            top_k=8,
            inputs=("question", "expand.queries"),
        ),
        Opaque(name="fuse", pure=True, reason="reciprocal rank fusion, run as it is"),
        Reranking(name="rerank", reranker=RERANKER, candidates=16, top_n=4),
        Synthesis(name="answer", llm=LLM, mode=SynthesisMode.ONE_SHOT, chunks=1, tokens=96),
        name="QueryFusionRetriever",
    )
    p_graph = decompose(template)
    e_graph, decisions = _fused(p_graph), _fusion_decisions(p_graph)
    record = CallRecord("query", 0.0, template, p_graph, e_graph, decisions, predicted_gain=0.044)
    record = timed(record, direct=frozenset({"expand.prefill"}))
    first = next(c for c in record.calls if c.primitive == "rerank.rerank[1]")
    first.waited = 0.0
    lost = replace(record.calls[1], primitive="search.embed[expand.queries][2]", key="lost")
    wasted = replace(
        lost,
        outcome=Outcome.WASTED,
        waited=0.0,
        queued=record.started + 0.1,
        started=record.started + 0.103,
        ended=record.started + 0.114,
    )
    return _with(record, [*record.calls, wasted], started=record.started, ended=record.ended)


def _fused(p_graph: Graph) -> Graph:
    """Each query searched as soon as it is written, the candidates reranked in two stages."""
    parts = [
        p_graph["expand.prefill"],
        *_pipelined(),
        replace(p_graph["fuse.host"], inputs=tuple(f"search.hits{part}" for part in _QUERIES)),
        *[
            Primitive(
                f"rerank.rerank[{i}]",
                Op.RERANKING,
                "rerank",
                RERANKER,
                ("question", "fuse.result"),
                (f"rerank.ranked[{i}]",),
                items=8,
                batchable=True,
                stage=i,
                origin="rerank.rerank",
            )
            for i in range(2)
        ],
        Primitive(
            "rerank.rerank.join",
            Op.AGGREGATE,
            "rerank",
            "",
            ("rerank.ranked[0]", "rerank.ranked[1]"),
            ("rerank.ranked",),
            items=16,
        ),
        p_graph["answer.prefill[0]"],
        p_graph["answer.decode[0]"],
    ]
    e_graph = Graph(parts, inputs=p_graph.inputs)
    e_graph.verify()
    return e_graph


def _fusion_decisions(p_graph: Graph) -> list[Decision]:
    return [
        *(
            Decision("dependency pruning", edge, True, "no data passes between them", None)
            for edge in p_graph.order
        ),
        Decision(
            "stage decomposition",
            ("rerank.rerank",),
            True,
            "16 pairs are more than b* = 8 of ms-marco-MiniLM: 2 stages",
            0.006,
        ),
        Decision(
            "stage decomposition", ("search.embed",), False, "4 texts fit in one batch of b* = 32"
        ),
        Decision(
            "prefilling split",
            ("expand.prefill",),
            False,
            "the whole prompt is known when the query is submitted",
        ),
        Decision(
            "prefilling split",
            ("answer.prefill[0]",),
            False,
            "the contexts come first in the prompt: 20 early tokens gain nothing",
            -0.004,
        ),
        Decision(
            "decoding pipelining",
            ("expand.decode",),
            True,
            "3 queries, each searched as soon as it is decoded",
            0.038,
        ),
    ]


_QUERIES = {"[question]": "question"} | {
    f"[expand.queries][{i}]": f"expand.queries[{i}]" for i in range(3)
}
"""Names of the parts, with the query each takes."""


def _pipelined() -> Iterator[Primitive]:
    for i in range(3):
        before = ("expand.prefilled",) if i == 0 else (f"expand.decoded[{i - 1}]",)
        yield Primitive(
            f"expand.decode[{i}]",
            Op.PARTIAL_DECODING,
            "expand",
            LLM,
            before,
            (f"expand.queries[{i}]", f"expand.decoded[{i}]"),
            tokens=16,
            stage=i,
            origin="expand.decode",
        )
    for part, query in _QUERIES.items():
        yield Primitive(
            f"search.embed{part}",
            Op.EMBEDDING,
            "search",
            EMBEDDER,
            (query,),
            (f"search.vectors{part}",),
            batchable=True,
            origin="search.embed",
        )
    for part in _QUERIES:
        yield Primitive(
            f"search.search{part}",
            Op.SEARCHING,
            "search",
            STORE,
            (f"search.vectors{part}",),
            (f"search.hits{part}",),
            batchable=True,
            origin="search.search",
        )


def _over_chunks(mode: SynthesisMode, chunks: int) -> tuple[Template, Graph, list[Decision]]:
    template = Template.chain(
        Searching(name="search", embedding=EMBEDDER, store=STORE, top_k=chunks),
        Synthesis(
            name="answer",
            llm=LLM,
            mode=mode,
            chunks=chunks,
            context_tokens=900,
            tokens=64,
            context_first=mode is not SynthesisMode.REFINE,
        ),
        name=f"RetrieverQueryEngine, {mode.value}",
    )
    p_graph = decompose(template)
    decisions = [
        Decision("dependency pruning", edge, True, "no data passes between them")
        for edge in p_graph.order
    ]
    decisions.append(
        Decision("stage decomposition", ("search.embed",), False, "1 text: nothing to cut")
    )
    return template, p_graph, decisions


def _record(
    template: Template, p_graph: Graph, e_graph: Graph, decisions: list[Decision], gain: float
) -> CallRecord:
    return timed(
        CallRecord("query", 0.0, template, p_graph, e_graph, decisions, predicted_gain=gain)
    )


def tree(chunks: int = 8) -> CallRecord:
    """A tree summary: all leaves at once."""
    template, p_graph, decisions = _over_chunks(SynthesisMode.TREE, chunks)
    for primitive in p_graph:
        if primitive.op is Op.PREFILLING:
            decisions.append(
                Decision(
                    "prefilling split",
                    (primitive.id,),
                    False,
                    "instruction and question are 40 tokens, less than one block",
                    -0.008,
                )
            )
    return _record(template, p_graph, p_graph.replace(order=[]), decisions, 1.31)


def refine(chunks: int = 8) -> CallRecord:
    """A refine chain whose prompts are prefilled up to the answer so far."""
    template, p_graph, decisions = _over_chunks(SynthesisMode.REFINE, chunks)
    e_graph = p_graph.replace(order=[])
    for i in range(1, chunks):
        name = f"answer.prefill[{i}]"
        *early, late = p_graph[name].prompt
        e_graph = _prefill_split(e_graph, name, tuple(early), (late,))
        decisions.append(
            Decision(
                "prefilling split",
                (name,),
                True,
                f"{sum(p.tokens for p in early)} of the prompt's tokens are known early",
                0.037,
            )
        )
    decisions.append(
        Decision("prefilling split", ("answer.prefill[0]",), False, "nothing of it comes late")
    )
    return _record(template, p_graph, e_graph, decisions, 0.037 * (chunks - 1))
