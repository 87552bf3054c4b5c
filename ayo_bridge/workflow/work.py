"""What a handler is given and what it answers: the seam between graphs and what they compute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ayo_bridge import schedule
from ayo_bridge.graph import Choice, Composable, Graph, Op, Primitive, Template
from ayo_bridge.schedule import Values
from ayo_bridge.seam import Call

if TYPE_CHECKING:
    from ayo_bridge.graph import Component

Workflow = Composable | Template | Graph
"""What a query runs: composed components, a module template, or primitives wired by hand."""


@dataclass(frozen=True, slots=True)
class SubGraph:
    """What an ``Expand`` becomes: a workflow that makes its outputs.

    ``values`` are inputs of the fragment that the query does not have yet. The names in it must be
    its own: what it makes is not in the query already.
    """

    workflow: Workflow
    values: Values = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()


Outputs = Values | SubGraph
Made = Outputs | Awaitable[Outputs]


@dataclass(slots=True, kw_only=True)
class Work(schedule.Work):
    """A primitive of a query.

    ``root`` is the primitive of the p-graph that it does the work of. ``component`` is ``None`` for
    primitives wired by hand. ``decodes`` are the decodings of the call that a prefilling starts, in
    order. ``most_items`` is b* of its engine, as far as known.
    """

    root: Primitive
    component: Component | None
    query: int
    made_by: Callable[[str], Primitive | None]
    """The p-graph's primitive that makes a value; ``None`` for an input of the query."""
    decodes: tuple[Primitive, ...] = ()
    root_decode: Primitive | None = None
    most_items: int | None = None
    fuses: bool = True
    """Whether the engine takes batches; one that batches by itself takes single calls."""
    on_text: Callable[[str], None] | None = None
    """Whom the text of an LLM call is to be told as it grows."""

    def inputs(self) -> list[object]:
        """The input values in order; of an aggregate, whole ones."""
        aggregates = self.primitive.op is Op.AGGREGATE
        names = self.root.inputs if aggregates else self.primitive.inputs
        return [self.value(name) for name in names]

    def call(self, request: object, *, items: int = 1, index: int = 0, warm: bool = False) -> Call:
        """A call of the primitive's engine; those of one op may share a batch."""
        key: Hashable = (self.query, self.primitive.id, index)
        group = self.primitive.op.value if self.fuses and not warm else None
        return Call(self.primitive.engine, key, request, items, group, warm=warm)


class Handler(schedule.Handler[Work, Made]):
    """How a primitive's values become calls, and their results values, in a query.

    All methods run on the app's loop and must not wait. An item that was never made is ``MISSING``
    among the inputs.
    """

    def calls(self, work: Work) -> Sequence[Call]:
        """Calls for the primitive; none if it needs no engine, or has nothing to do."""
        return ()

    def outputs(self, work: Work, results: Sequence[object]) -> Made:
        """A value for each output of the primitive (of a prefilling: of its decodings too).

        ``results`` are in the order of :meth:`calls`. Only what makes no calls may return an
        awaitable; cancelling the query cancels it.
        """
        raise NotImplementedError

    def items_so_far(self, work: Work, text: str) -> Sequence[object]:
        """The items of a growing text that can no longer change."""
        return ()

    def whole(self, component: Component | None, items: list[object]) -> list[object]:
        """The value that the items of a list make together; it may come in parts."""
        return items


Function = Callable[..., object]
"""Takes the values of a primitive's inputs in order; returns its output, or a tuple of them.

That of a condition returns the branch, that of an ``Expand`` a :class:`SubGraph`. It may be a
coroutine function.
"""


class Computed(Handler):
    """Runs a function of the user's own, on the app's loop."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def outputs(self, work: Work, results: Sequence[object]) -> Made:
        """Call the function."""
        made = self._function(*work.inputs())
        if isinstance(made, Awaitable):
            return self._awaited(work, made)
        return self._named(work, made)

    async def _awaited(self, work: Work, made: Awaitable[object]) -> Outputs:
        return self._named(work, await made)

    @staticmethod
    def _named(work: Work, made: object) -> Outputs:
        names = work.primitive.outputs
        if isinstance(made, SubGraph):
            return made
        if len(names) == 1:
            return {names[0]: made}
        if not names:
            return {}
        if not isinstance(made, tuple) or len(made) != len(names):
            raise TypeError(f"{len(names)} values are wanted ({', '.join(names)}), as a tuple")
        return dict(zip(names, made, strict=True))
