"""What a query gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ayo_bridge.graph import Graph
from ayo_bridge.passes import Decision
from ayo_bridge.schedule import MISSING


@dataclass(slots=True)
class Timing:
    """When a primitive ran, in seconds of the app's clock.

    ``dispatched`` is when its inputs were there, ``started`` when its engine began. A prefilling
    ends with the first token where the engine tells of it, else with its call. ``batch`` is the
    number of calls in the largest batch it was part of.
    """

    dispatched: float
    started: float
    ended: float | None = None
    batch: int = 0

    @property
    def queued(self) -> float:
        """Seconds for which it waited for its engine."""
        return self.started - self.dispatched


@dataclass(frozen=True, slots=True)
class Result:
    """The values of a query by name, and how it came about.

    ``values`` has what the e-graph made. A value that was made in parts only is put together when
    it is asked for by its name: ``result["search.hits"]``.
    """

    values: Mapping[str, object]
    timings: Mapping[str, Timing]
    """By primitive of the e-graph; what was skipped before it began has none."""
    skipped: frozenset[str]
    p_graph: Graph
    e_graph: Graph
    decisions: tuple[Decision, ...]
    results: tuple[str, ...]
    submitted: float
    ended: float

    @property
    def seconds(self) -> float:
        """Time from submission to the end."""
        return self.ended - self.submitted

    @property
    def output(self) -> object:
        """The answer: what the last component made, or of several the first that has made one."""
        made = (self[name] for name in self.results)
        return next((value for value in made if value is not MISSING), MISSING)

    def __getitem__(self, name: str) -> object:
        """A value by its name in the p-graph or the e-graph.

        Raises:
            KeyError: there is no such value.
        """
        if name in self.values:
            return self.values[name]
        maker = self.p_graph.producer(name)
        parts = [
            self.values[value]
            for primitive in self.e_graph
            if maker is not None and primitive.origin == maker
            for value in primitive.outputs
            if value.startswith(name)
        ]
        if not parts:
            raise KeyError(name)
        made = [part for part in parts if part is not MISSING]
        return [item for part in made for item in (part if isinstance(part, list) else [part])]
