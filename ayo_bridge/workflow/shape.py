"""The graphs of a query, made for its inputs; shapes are kept for the next query, values never."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ayo_bridge.errors import EngineUnavailableError, GraphError
from ayo_bridge.graph import (
    Choice,
    Component,
    Composable,
    Contextualising,
    Effect,
    Graph,
    Indexing,
    Op,
    Primitive,
    QueryExpansion,
    SearchApi,
    Searching,
    Template,
    decompose,
    flow,
)
from ayo_bridge.graph.primitive import DECODES, PREFILLS
from ayo_bridge.graph.timing import remaining
from ayo_bridge.passes import Decision, Pass, PassContext, optimise
from ayo_bridge.workflow.work import Workflow


@dataclass(frozen=True, slots=True)
class Shape:
    """A p-graph, its e-graph, and what a query looks up in them. Shared by queries; immutable."""

    template: Template | None
    p_graph: Graph
    e_graph: Graph
    decisions: tuple[Decision, ...]
    components: Mapping[str, Component]
    choices: Mapping[str, Choice]
    decodes: Mapping[str, tuple[Primitive, ...]]
    """The decodings of each prefilling of the e-graph, in order."""
    root_decodes: Mapping[str, Primitive]
    """The decoding of each prefilling of the p-graph."""
    members: Mapping[str, tuple[str, ...]]
    """Ids of the e-graph's primitives by component."""
    speculating: tuple[Primitive, ...]
    """The conditions whose branches may start before they are decided."""
    results: tuple[str, ...]
    """The values that a query is for: those of its last components that nothing takes."""
    needed: int
    """The number of primitives that a query waits for: all but prefix warms."""
    remaining: Mapping[str, float]
    """Seconds from the start of each primitive of the e-graph to the end, as estimated."""

    @property
    def program(self) -> Hashable:
        """Equal for all shapes of a workflow; ``None`` where a handler has made it."""
        template = self.template
        if template is None:
            return None
        return template.name, *(component.name for component in template.components)

    def root(self, primitive: Primitive) -> Primitive:
        """The p-graph's primitive that one of the e-graph does the work of."""
        return self.p_graph.primitives.get(primitive.root, primitive)


class Shapes:
    """Makes shapes and keeps the last ``capacity`` of them."""

    def __init__(self, passes: tuple[Pass, ...], capacity: int = 256) -> None:
        self._passes = passes
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, tuple[Shape, object]] = OrderedDict()

    def of(
        self,
        workflow: Workflow,
        inputs: Mapping[str, object],
        choices: tuple[Choice, ...],
        context: PassContext,
        epoch: Hashable,
        engines: Iterable[str],
    ) -> Shape:
        """The shape of a query with these inputs.

        ``epoch`` changes with what ``context`` says of the engines.

        Raises:
            GraphError: the workflow breaks an invariant, or an input of it is not given.
            EngineUnavailableError: an engine that it needs is not registered.
        """
        source: Template | Graph
        if isinstance(workflow, Graph):
            source, identity = workflow, cast(Hashable, id(workflow))
            if missing := sorted(workflow.inputs.difference(inputs)):
                raise GraphError(f"the query lacks the inputs {', '.join(missing)}")
        else:
            if isinstance(workflow, Composable):
                workflow = flow(workflow).template(tuple(inputs))
            # A choice that comes with the query stands for the workflow's own: the passes go by it.
            by_condition = {c.condition: c for c in (*workflow.choices, *choices)}
            choices = tuple(by_condition.values())
            source = identity = fitted(replace(workflow, choices=choices), inputs)
        key = (identity, choices, epoch, context.can_stream, context.can_warm, context.strict)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found[0]
        shape = self._make(source, choices, context, frozenset(engines))
        self._kept[key] = shape, source  # the source is kept so that its id stays its own
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return shape

    def _make(
        self,
        source: Template | Graph,
        choices: tuple[Choice, ...],
        context: PassContext,
        engines: frozenset[str],
    ) -> Shape:
        template = source if isinstance(source, Template) else None
        p_graph = _rankings_whole(source if isinstance(source, Graph) else decompose(source))
        optimised = optimise(p_graph, context, self._passes)
        e_graph = optimised.graph
        for primitive in e_graph:
            if primitive.engine and primitive.engine not in engines:
                raise EngineUnavailableError(
                    f"no engine {primitive.engine!r} is registered, which {primitive.id!r} needs; "
                    "register it with App.register"
                )
        members: dict[str, list[str]] = {}
        for primitive in e_graph:
            members.setdefault(primitive.component, []).append(primitive.id)
        for choice in choices:
            if choice.condition not in members:
                raise GraphError(f"a choice names {choice.condition!r}, which is not there")
        return Shape(
            template,
            p_graph,
            e_graph,
            optimised.decisions,
            {c.name: c for c in template.components} if template is not None else {},
            {choice.condition: choice for choice in choices},
            _decodes(e_graph),
            {name: decodes[0] for name, decodes in _decodes(p_graph).items()},
            {name: tuple(ids) for name, ids in members.items()},
            tuple(primitive for primitive in e_graph if primitive.speculative),
            _results(p_graph, template),
            sum(p.op is not Op.PARTIAL_PREFILLING for p in e_graph),
            remaining(e_graph, context.profiles.seconds),
        )


def fitted(template: Template, inputs: Mapping[str, object]) -> Template:
    """The template with the numbers of items that the inputs of this query have."""
    made: dict[str, int] = {
        name: len(value) if isinstance(value, list | tuple) else 1 for name, value in inputs.items()
    }
    for component in template.components:
        if isinstance(component, QueryExpansion):
            made[(component.outputs or (f"{component.name}.queries",))[0]] = component.queries
        if isinstance(component, Contextualising):
            count = made.get((component.inputs or ("documents",))[0], component.items)
            made[(component.outputs or (f"{component.name}.contexts",))[0]] = count
    before: dict[str, list[str]] = {}
    for source, target in template.edges:
        before.setdefault(target, []).append(source)
    contextualised = {
        c.name: (c.outputs or (f"{c.name}.contexts",))[0]
        for c in template.components
        if isinstance(c, Contextualising)
    }

    def items(values: Sequence[str], otherwise: int) -> int:
        known = [made.get(value) for value in values]
        if None in known:
            return otherwise
        return sum(n for n in known if n is not None) or 1

    def fit(component: Component) -> Component:
        match component:
            case Indexing():
                natural = [
                    contextualised[name]
                    for name in before.get(component.name, ())
                    if name in contextualised
                ] or ["documents"]
                count = items(component.inputs or natural, component.items)
                return replace(component, items=count)
            case Contextualising():
                count = items(component.inputs or ("documents",), component.items)
                return replace(component, items=count)
            case Searching():
                count = items(component.inputs or ("question",), component.queries)
                return replace(component, queries=count)
            case SearchApi() if component.calls is not None:
                count = items(component.inputs or ("question",), component.calls)
                return replace(component, calls=count)
        return component

    components = tuple(map(fit, template.components))
    return (
        template if components == template.components else replace(template, components=components)
    )


def _decodes(graph: Graph) -> dict[str, tuple[Primitive, ...]]:
    """The decodings that take what each prefilling makes, in order."""
    found: dict[str, list[Primitive]] = {}
    for primitive in graph:
        if primitive.op in DECODES:
            for value in primitive.inputs:
                maker = graph.producer(value)
                if maker is not None and graph[maker].op in PREFILLS:
                    found.setdefault(maker, []).append(primitive)
    return {name: tuple(decodes) for name, decodes in found.items()}


def _rankings_whole(graph: Graph) -> Graph:
    """Keep rerankings from being cut where something would follow on parts.

    The best of all candidates are known when all are scored.
    """
    followed = {
        maker
        for primitive in graph
        if primitive.batchable
        for value in primitive.inputs
        if (maker := graph.producer(value)) is not None and graph[maker].op is Op.RERANKING
    }
    if not followed:
        return graph
    return graph.replace(
        remove=followed, add=[replace(graph[name], batchable=False) for name in followed]
    )


def _results(graph: Graph, template: Template | None) -> tuple[str, ...]:
    """The values that are what a query is for: nothing takes them, and its last components make
    them. What a store or a condition says is a result only if there is nothing else.
    """
    taken = {value for primitive in graph for value in primitive.inputs}
    left = [(p, value) for p in graph for value in p.outputs if value not in taken]
    answers = [
        (p, value) for p, value in left if p.effect is not Effect.WRITE and p.op is not Op.CONDITION
    ]
    followed = {before for before, _ in template.edges} if template is not None else set()
    last = [(p, value) for p, value in answers if p.component not in followed]
    return tuple(value for _, value in last or answers or left)
