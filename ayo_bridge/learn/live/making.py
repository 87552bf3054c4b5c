"""Predicted requests as a part that the graph of a call grows by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.trace import Kind
from ayo_bridge.runahead import Maker, Plan
from ayo_bridge.runahead.planner import PRIOR_SECONDS
from ayo_bridge.schedule import ComponentOp, Values, Work
from ayo_bridge.seam import Call

OPS: Final = {
    Kind.LLM: Op.PREFILLING,
    Kind.EMBEDDING: Op.EMBEDDING,
    Kind.SEARCH: Op.SEARCHING,
    Kind.RERANK: Op.RERANKING,
    Kind.API: Op.API_CALL,
}
_WARM: Final = Op.PARTIAL_PREFILLING


class Made(NamedTuple):
    """A predicted request with the engine call that asks it."""

    predicted: Predicted
    kind: Kind
    call: Call


Arrived = Callable[[Predicted, object], None]


class LearnedMaker:
    """Makes the calls that were predicted in one call, and tells what they returned."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._made: dict[str, Made] = {}
        self.warms = 0
        """How many prefix warms there were."""

    def let_go(self) -> None:
        """The call is over: nobody is told any more. Whoever was has this maker, and is let go."""
        self._arrived = _unheard

    def take(self, primitive: str, made: Made) -> None:
        """A primitive stands for this call."""
        self._made[primitive] = made

    def site(self, primitive: str) -> str | None:
        """The site whose call a primitive is, if it is one."""
        made = self._made.get(primitive)
        return made.predicted.site if made is not None else None

    def calls(self, work: Work) -> Sequence[Call]:
        """The one call that the primitive stands for."""
        return [self._made[work.primitive.id].call]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """That the result is there; what follows from it is predicted, and grows the graph again.

        Of a prefix warm nobody asks the result.
        """
        self._arrived(self._made[work.primitive.id].predicted, results[0])
        return dict.fromkeys(work.primitive.outputs, True)


def _unheard(predicted: Predicted, result: object) -> None:
    """What comes after the end of its call."""


def planned(
    template: Template,
    requests: Sequence[Made],
    numbers: dict[str, int],
    maker: LearnedMaker,
    gain: float,
) -> Plan:
    """The plan of some requests, all of which can be sent now: what they are made of is known.

    The values of its graph are results, named by site and visit: they are its edges.

    Args:
        numbers: of the sites, by which ``explain`` names them.
        gain: seconds that running ahead is expected to win by them.
    """
    primitives: list[Primitive] = []
    needed: set[str] = set()
    makers: dict[ComponentOp, Maker] = {}
    for made in requests:
        site, op = f"site{numbers[made.predicted.site]}", OPS[made.kind]
        makers[site, op] = maker
        name = f"{site}.{made.kind}[{made.predicted.visit}]"
        inputs = sorted(f"site{numbers[need]}[{at}]" for need, at in made.predicted.depends_on)
        needed.update(inputs)
        outputs: tuple[str, ...] = (f"{site}[{made.predicted.visit}]",)
        if made.call.warm:
            outputs = ()
            op, name = _WARM, f"{site}.prefix{maker.warms}[{made.predicted.visit}]"
            maker.warms += 1
        primitives.append(
            Primitive(
                name,
                op,
                site,
                made.call.engine,
                inputs=tuple(inputs),
                outputs=outputs,
                items=made.call.items,
            )
        )
        maker.take(name, made)
    graph = Graph(primitives, inputs=tuple(sorted(needed)))
    return Plan(
        template,
        graph,
        graph,
        ahead=frozenset(primitive.id for primitive in primitives),
        predicted_gain=gain,
        makers=makers,
        remaining={primitive.id: PRIOR_SECONDS[primitive.op] for primitive in primitives},
    )
