"""A primitive whose inputs have arrived, what it works on, and who makes its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ayo_bridge.graph import Op, Primitive
from ayo_bridge.graph.primitive import DECODES, PREFILLS
from ayo_bridge.passes.cutting import batch_inputs
from ayo_bridge.schedule.graph_scheduler import MISSING
from ayo_bridge.seam import Call

Values = Mapping[str, object]
Feed = Callable[[Values], None]


@dataclass(slots=True)
class Work:
    """A primitive of an e-graph whose inputs have arrived.

    ``values`` are all that is known of the query, ``part`` is the slice of its items that a stage
    takes.
    """

    primitive: Primitive
    values: Values
    feed: Feed
    """Takes values that become known while the calls run."""
    part: slice | None = None
    sent: Sequence[Call] = ()
    """The calls that were made for it."""

    def value(self, name: str) -> object:
        """An input value; ``MISSING`` if what makes it was skipped."""
        return self.values.get(name, MISSING)

    def items(self) -> list[object]:
        """The items of a batchable primitive; a stage has its slice of them."""
        names = batch_inputs(self.primitive)
        items = [item for name in names for item in items_of(self.value(name))]
        return items if self.part is None else items[self.part]

    def output(self, results: Iterable[object]) -> Values:
        """Results under the name of the primitive's output, a list as its items were."""
        return {self.primitive.outputs[0]: list(results)}


def items_of(value: object) -> list[object]:
    """A value as the list of its items; nothing is in what is missing."""
    if value is MISSING:
        return []
    if isinstance(value, list | tuple):
        return [item for item in value if item is not MISSING]
    return [value]


WorkT = TypeVar("WorkT", bound=Work, contravariant=True)
OutputsT = TypeVar("OutputsT", covariant=True)


class Handler(Protocol[WorkT, OutputsT]):
    """Turns a primitive with its input values into engine calls, and their results into values.

    Pure and quick: it runs on whatever thread completed the last input and must call no framework
    code that another thread may be using. Both methods are called once a primitive.
    """

    def calls(self, work: WorkT) -> Sequence[Call]:
        """Calls for the primitive; none if it needs no engine, or has nothing to do."""

    def outputs(self, work: WorkT, results: Sequence[object]) -> OutputsT:
        """Values made from the results, in the order of :meth:`calls`.

        Without calls the values may be computed here and now; in what runs ahead of an original,
        nothing means that the primitive is left to that.
        """


ComponentOp = tuple[str, Op]
"""A component's name and an op: that of every prefill is ``PREFILLING``, of every decode
``DECODING``."""


def component_op(primitive: Primitive) -> ComponentOp:
    """By what the handler of a primitive is found."""
    op = primitive.op
    if op in PREFILLS or op is Op.PARTIAL_PREFILLING:
        op = Op.PREFILLING
    elif op in DECODES:
        op = Op.DECODING
    return primitive.component, op
