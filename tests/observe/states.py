"""States without a runtime behind them."""

from dataclasses import dataclass
from typing import Any

from ayo_bridge.api import again
from ayo_bridge.graph import Graph, Op, Primitive, Searching, Template
from ayo_bridge.record import CallRecord
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import EngineCall, EngineKind, Outcome

TEMPLATE = Template.chain(
    Searching(name="search", embedding="minilm", store="pg"), name="VectorIndexRetriever"
)
GRAPH = Graph(
    [
        Primitive("search.embed", Op.EMBEDDING, "search", "minilm", ("question",), ("vectors",)),
        Primitive("search.search", Op.SEARCHING, "search", "pg", ("vectors",), ("hits",)),
    ],
    inputs=["question"],
)


@dataclass
class StandIn:
    """What a state asks of the runtime."""

    history: int = 32
    run_ahead: bool = True
    now: float = 11.0
    telemetry: None = None
    replicated: tuple[()] = ()

    def knows(self, engine: str) -> bool:
        return False

    def clock(self) -> float:
        return self.now


def state(
    *records: CallRecord, history: int = 32, switched_off: str = "", **more: Any
) -> AcceleratedState:
    template = records[-1].template if records else TEMPLATE
    runtime: Any = StandIn(history)
    made = AcceleratedState("llama_index", "RetrieverQueryEngine", runtime, template, again, **more)
    for record in records:
        made.note(record)
    if switched_off:
        made.switch_off(switched_off)
    return made


def call(
    outcome: Outcome = Outcome.HIT,
    *,
    primitive: str = "search.embed",
    engine: str = "minilm",
    start: float = 10.0,
    seconds: float = 0.1,
    waited: float = 0.0,
    **more: Any,
) -> EngineCall:
    return EngineCall(
        primitive,
        engine,
        EngineKind.EMBEDDING,
        b"key",
        outcome,
        start,
        start,
        start + seconds,
        waited,
        **more,
    )


def record(
    *calls: EngineCall, e_graph: Graph = GRAPH, ended: float = 11.0, **more: Any
) -> CallRecord:
    return CallRecord(
        "retrieve", 10.0, TEMPLATE, GRAPH, e_graph, calls=list(calls), ended=ended, **more
    )
