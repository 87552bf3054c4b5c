"""Writing module templates down: ``a >> b`` runs b after a, ``a | b`` side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, TypeVar, cast

from ayo_bridge.errors import GraphError

if TYPE_CHECKING:
    from ayo_bridge.graph.template import Component, Condition, Template

T = TypeVar("T")


class Composable:
    """What can stand on either side of ``>>`` and ``|``: components and flows."""

    __slots__ = ()

    def __rshift__(self, after: Composable) -> Flow:
        """This, and then ``after``: its first components come after the last ones of this."""
        first, second = flow(self), flow(after)
        edges = tuple(product(first.tails, second.heads))
        return first._with(second, edges, first.heads, second.tails)

    def __or__(self, beside: Composable) -> Flow:
        """This and ``beside``, in no order. The original program would run this first."""
        first, second = flow(self), flow(beside)
        heads, tails = first.heads + second.heads, first.tails + second.tails
        return first._with(second, (), heads, tails)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a condition chooses between: for each of its values the components that run.

    A component that stands in no branch runs whatever is chosen. With ``speculate`` branches may
    start before the condition is decided.
    """

    condition: str
    branches: tuple[tuple[Hashable, tuple[str, ...]], ...]
    speculate: bool = False

    def unchosen(self, value: object) -> frozenset[str]:
        """The components that do not run.

        Raises:
            GraphError: no branch is called that.
        """
        chosen = [names for key, names in self.branches if key == value]
        if not chosen:
            known = ", ".join(repr(key) for key, _ in self.branches)
            raise GraphError(f"{self.condition!r} chose {value!r}; its branches are {known}")
        every = {name for _, names in self.branches for name in names}
        return frozenset(every.difference(*chosen))

    @property
    def optional(self) -> frozenset[str]:
        """The components that do not run for some value of the condition."""
        branches = [frozenset(names) for _, names in self.branches]
        always = frozenset.intersection(*branches) if branches else frozenset()
        return frozenset().union(*branches) - always


@dataclass(frozen=True, slots=True)
class Flow(Composable):
    """Composed components. ``heads`` come first, ``tails`` last."""

    components: tuple[Component, ...]
    edges: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    choices: tuple[Choice, ...] = ()

    def template(self, inputs: tuple[str, ...] = ("question",), name: str = "") -> Template:
        """The module template, for queries with these inputs.

        Raises:
            GraphError: two components have one name.
        """
        from ayo_bridge.graph.template import Template  # which needs Composable

        return Template(self.components, self.edges, inputs, name, choices=self.choices)

    def _with(
        self,
        other: Flow,
        edges: tuple[tuple[str, str], ...],
        heads: tuple[str, ...],
        tails: tuple[str, ...],
    ) -> Flow:
        """Both, where a component that is in both is one."""
        return Flow(
            _unique(self.components + other.components),
            _unique(self.edges + other.edges + edges),
            _unique(heads),
            _unique(tails),
            _unique(self.choices + other.choices),
        )


def flow(part: Composable) -> Flow:
    """The flow of a single component, or the flow itself."""
    if isinstance(part, Flow):
        return part
    component = cast("Component", part)
    return Flow((component,), (), (component.name,), (component.name,))


def choose(
    condition: Condition,
    branches: Mapping[Hashable, Composable | None],
    *,
    speculate: bool = False,
) -> Flow:
    """A condition and what it chooses between; ``None`` is a branch in which nothing runs.

    What comes after the choice comes after the branch that runs. Primitives of the others are
    skipped, and whoever takes their values sees ``MISSING``.

    With ``speculate`` the branches may start before the condition is decided, except for what has
    an effect. What is not chosen is cancelled and counts as skipped, errors included; calls that it
    has made by then were made in vain, so say it only where they cost nothing but time of an engine
    that has some.

    Raises:
        GraphError: there is no branch.
    """
    if not branches:
        raise GraphError(f"{condition.name!r} has nothing to choose between")
    start = flow(condition)
    flows = {key: flow(part) for key, part in branches.items() if part is not None}
    whole = start
    for part in flows.values():
        edges = tuple(product(start.tails, part.heads))
        whole = whole._with(part, edges, start.heads, ())
    tails = tuple(tail for part in flows.values() for tail in part.tails)
    if len(flows) < len(branches):
        tails += start.tails
    named = tuple(
        (key, tuple(c.name for c in flows[key].components) if key in flows else ())
        for key in branches
    )
    choice = Choice(condition.name, named, speculate)
    return Flow(whole.components, whole.edges, start.heads, tails, (*whole.choices, choice))


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
