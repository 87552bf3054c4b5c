"""What becomes ready together shares batches of a model of this process."""

from __future__ import annotations

from collections.abc import Sequence

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from tests.runahead.fakes import CallsOf


class _Model(BatchEngine):
    name = "model"
    kind = EngineKind.EMBEDDING

    def __init__(self) -> None:
        self.limits = Limits(max_items=8)
        self.batches: list[list[object]] = []

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        self.batches.append([call.payload for call in calls])
        return [f"vector of {call.payload}" for call in calls]


def test_primitives_that_are_ready_together_are_one_batch() -> None:
    names = ["p", "q", "r"]
    graph = Graph(
        [
            Primitive(
                name, Op.EMBEDDING, "c", "model", inputs=("question",), outputs=(f"{name}.o",)
            )
            for name in names
        ],
        inputs=["question"],
    )
    maker = CallsOf({name: [Call("model", name, name, group="g")] for name in names})
    plan = Plan(
        Template(()), graph, graph, ahead=frozenset(names), makers={("c", Op.EMBEDDING): maker}
    )
    model, runtime = _Model(), Runtime(measure=False)
    runtime.register(model)
    scope = Scope(runtime, plan, CallRecord("query", runtime.clock(), plan.template, graph, graph))
    scope.start({"question": "?"})
    tickets = [scope.claim(name) for name in names]
    values = [hit.value for ticket in tickets if ticket is not None and (hit := ticket.wait())]
    scope.close()
    runtime.close()
    assert values == [f"vector of {name}" for name in names]
    assert model.batches == [names]
