"""A primitive whose inputs have arrived, and what it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ayo_bridge.graph import Primitive
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
        items: list[object] = []
        for name in batch_inputs(self.primitive):
            value = self.value(name)
            if value is not MISSING:
                items.extend(value if isinstance(value, list | tuple) else [value])
        return items if self.part is None else items[self.part]

    def output(self, results: Iterable[object]) -> Values:
        """Results under the name of the primitive's output, a list as its items were."""
        return {self.primitive.outputs[0]: list(results)}
