"""Decomposition of a module template into a p-graph (paper, Algorithm 1: ``GraphTransform``).

Every component becomes primitives that pass values by name; every template edge becomes an order
edge from the tail of the one component to the head of the other, so that the p-graph runs in the
order of the original program until dependency pruning says otherwise.

Ids and values of a component ``c``, where ``outputs`` of the component replace the last value:

=================  ==============================================  ==========================
component          primitives                                      values
=================  ==============================================  ==========================
Indexing           ``c.embed``, ``c.ingest``                       ``c.vectors``, ``c.stored``
QueryExpansion     ``c.prefill``, ``c.decode``                     ``c.prefilled``, ``c.queries``
Searching          ``c.embed`` (unless the store takes text),      ``c.vectors``, ``c.hits``
                   ``c.search``
Reranking          ``c.rerank``                                    ``c.ranked``
SearchApi          ``c.call``                                      ``c.results``
Condition          ``c.condition``                                 ``c.branch``
Contextualising    ``c.prefill[i]``, ``c.decode[i]``, ``c.join``   ``c.contexts``
Extracting         ``c.expand``                                    ``c.metadata``
Opaque             ``c.host``                                      ``c.result``
Synthesis          ``c.prefill[i]``, ``c.decode[i]`` and by mode   ``c.answer``
                   ``c.join``; a tree: ``c.prefill[level][i]``;
                   ``c.host``; ``c.expand``
=================  ==============================================  ==========================

Inputs left out are the natural ones: ``question``; for a reranking or synthesis ``question`` and
then the contexts of the components before it; for an indexing the contextualised chunks before it
or ``documents``. Inputs given for a reranking or a synthesis name the question first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Op, Primitive, PromptPart
from ayo_bridge.graph.synthesis import Order, expand_synthesis, synthesis_primitives
from ayo_bridge.graph.template import (
    Choice,
    Component,
    Condition,
    Contextualising,
    Extracting,
    Indexing,
    Opaque,
    QueryExpansion,
    Reranking,
    SearchApi,
    Searching,
    Synthesis,
    Template,
)

__all__ = ["decompose", "expand_synthesis"]

QUESTION = ("question",)
INSTRUCTION_TOKENS = 20
QUESTION_TOKENS = 20


def decompose(template: Template) -> Graph:
    """Return the verified p-graph of ``template``, in the order of the original program.

    Raises:
        GraphError: the template has a cycle, a component of a type that is not known, or one that
            needs a value nothing makes.
    """
    before: dict[str, list[str]] = {}
    for source, target in template.edges:
        before.setdefault(target, []).append(source)
    primitives: list[Primitive] = []
    order: Order = []
    done: dict[str, _Fragment] = {}
    for component in _in_program_order(template):
        previous = [done[name] for name in before.get(component.name, ())]
        fragment = _decompose(component, previous, template)
        done[component.name] = fragment
        primitives += fragment.primitives
        order += fragment.order
        heads = _heads(fragment)
        order += [(tail.primitives[-1].id, head) for tail in previous for head in heads]
    graph = Graph(primitives, inputs=template.inputs, order=order)
    graph.verify()
    return graph


@dataclass(slots=True)
class _Fragment:
    """The primitives of one component; the last one is its tail.

    ``contexts`` are the values that a component after it would take for contexts, ``documents``
    those that an indexing after it would store.
    """

    primitives: list[Primitive]
    order: Order
    contexts: tuple[str, ...]
    documents: tuple[str, ...] = ()


def _in_program_order(template: Template) -> Sequence[Component]:
    """Components so that each comes after those with an edge to it; ties as they are listed."""
    rank = {component.name: i for i, component in enumerate(template.components)}
    if all(rank[source] < rank[target] for source, target in template.edges):
        return template.components
    waiting = [0] * len(rank)
    after: list[list[int]] = [[] for _ in rank]
    for source, target in template.edges:
        waiting[rank[target]] += 1
        after[rank[source]].append(rank[target])
    ready = [i for i, count in enumerate(waiting) if count == 0]
    result: list[Component] = []
    while ready:
        i = heapq.heappop(ready)
        result.append(template.components[i])
        for j in after[i]:
            waiting[j] -= 1
            if waiting[j] == 0:
                heapq.heappush(ready, j)
    if len(result) != len(rank):
        raise GraphError(f"the template {template.name!r} has a cycle")
    return result


def _heads(fragment: _Fragment) -> list[str]:
    """Ids of the primitives that wait for no other of the same component."""
    made = {value for primitive in fragment.primitives for value in primitive.outputs}
    later = {target for _, target in fragment.order}
    return [
        primitive.id
        for primitive in fragment.primitives
        if primitive.id not in later and made.isdisjoint(primitive.inputs)
    ]


def _decompose(component: Component, previous: list[_Fragment], template: Template) -> _Fragment:
    contexts = _unique(value for fragment in previous for value in fragment.contexts)
    match component:
        case QueryExpansion():
            return _Fragment(_query_expansion(component), [], contexts)
        case Searching():
            return _source(_searching(component))
        case Reranking():
            return _source(_reranking(component, contexts))
        case Synthesis():
            inputs = component.inputs or _unique((*QUESTION, *contexts))
            primitives, order = synthesis_primitives(replace(component, inputs=inputs))
            return _Fragment(primitives, order, primitives[-1].outputs)
        case Indexing():
            documents = _unique(value for fragment in previous for value in fragment.documents)
            return _Fragment(_indexing(component, documents), [], ())
        case SearchApi():
            return _source([_search_api(component)])
        case Condition():
            condition = _condition(component, contexts, template.choices)
            return _Fragment([condition], [], contexts)
        case Contextualising():
            primitives, order = _contextualising(component)
            return _Fragment(primitives, order, (), documents=primitives[-1].outputs)
        case Extracting():
            return _Fragment([_extracting(component, template.inputs)], [], contexts)
        case Opaque():
            made = _unique(v for fragment in previous for v in fragment.primitives[-1].outputs)
            return _source([_opaque(component, made or template.inputs)])
        case _:
            raise GraphError(
                f"component {component.name!r} is a {type(component).__name__}, which has no "
                "decomposition; describe it as an Opaque component"
            )


def _source(primitives: list[Primitive]) -> _Fragment:
    """A fragment whose result is context for what comes after it."""
    return _Fragment(primitives, [], primitives[-1].outputs)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _query_expansion(component: QueryExpansion) -> list[Primitive]:
    name = component.name
    inputs = component.inputs or QUESTION
    instruction = max(component.prompt_tokens - QUESTION_TOKENS * len(inputs), 0)
    prefill = Primitive(
        id=f"{name}.prefill",
        op=Op.PREFILLING,
        component=name,
        engine=component.llm,
        inputs=inputs,
        outputs=(f"{name}.prefilled",),
        prompt=(
            PromptPart(instruction),
            *(PromptPart(QUESTION_TOKENS, value) for value in inputs),
        ),
    )
    decode = Primitive(
        id=f"{name}.decode",
        op=Op.DECODING,
        component=name,
        engine=component.llm,
        inputs=prefill.outputs,
        outputs=component.outputs or (f"{name}.queries",),
        items=component.queries,
        tokens=component.tokens,
        splittable=component.splittable,
    )
    return [prefill, decode]


def _embedding(
    component: Searching | Indexing, inputs: tuple[str, ...], items: int
) -> list[Primitive]:
    if not component.embedding:
        return []
    return [
        Primitive(
            id=f"{component.name}.embed",
            op=Op.EMBEDDING,
            component=component.name,
            engine=component.embedding,
            inputs=inputs,
            outputs=(f"{component.name}.vectors",),
            items=items,
            batchable=True,
            concurrent=isinstance(component, Searching) and component.concurrent,
        )
    ]


def _searching(component: Searching) -> list[Primitive]:
    inputs = component.inputs or QUESTION
    embed = _embedding(component, inputs, component.queries)
    search = Primitive(
        id=f"{component.name}.search",
        op=Op.SEARCHING,
        component=component.name,
        engine=component.store,
        inputs=embed[0].outputs if embed else inputs,
        outputs=component.outputs or (f"{component.name}.hits",),
        items=component.queries,
        batchable=True,
        concurrent=component.concurrent,
    )
    return [*embed, search]


def _indexing(component: Indexing, documents: tuple[str, ...]) -> list[Primitive]:
    inputs = component.inputs or documents or ("documents",)
    embed = _embedding(component, inputs, component.items)
    ingest = Primitive(
        id=f"{component.name}.ingest",
        op=Op.INGESTION,
        component=component.name,
        engine=component.store,
        inputs=embed[0].outputs if embed else inputs,
        outputs=component.outputs or (f"{component.name}.stored",),
        effect=Effect.WRITE,
        items=component.items,
        batchable=True,
    )
    return [*embed, ingest]


def _reranking(component: Reranking, contexts: tuple[str, ...]) -> list[Primitive]:
    return [
        Primitive(
            id=f"{component.name}.rerank",
            op=Op.RERANKING,
            component=component.name,
            engine=component.reranker,
            inputs=component.inputs or _unique((*QUESTION, *contexts)),
            outputs=component.outputs or (f"{component.name}.ranked",),
            items=component.candidates,
            batchable=True,
        )
    ]


def _search_api(component: SearchApi) -> Primitive:
    return Primitive(
        id=f"{component.name}.call",
        op=Op.API_CALL,
        component=component.name,
        engine=component.api,
        inputs=component.inputs or QUESTION,
        outputs=component.outputs or (f"{component.name}.results",),
        items=max(component.calls or 1, 1),
        batchable=component.calls is not None,
    )


def _condition(
    component: Condition, contexts: tuple[str, ...], choices: tuple[Choice, ...]
) -> Primitive:
    own = [choice for choice in choices if choice.condition == component.name]
    speculate = bool(own) and all(choice.speculate for choice in own)
    return Primitive(
        id=f"{component.name}.condition",
        op=Op.CONDITION,
        component=component.name,
        inputs=component.inputs or contexts or QUESTION,
        outputs=component.outputs or (f"{component.name}.branch",),
        optional=frozenset().union(*(choice.optional for choice in own)) if own else None,
        speculative=tuple(
            frozenset(names) for choice in own for _, names in choice.branches if speculate
        ),
    )


def _opaque(component: Opaque, natural: tuple[str, ...]) -> Primitive:
    return Primitive(
        id=f"{component.name}.host",
        op=Op.HOST,
        component=component.name,
        inputs=component.inputs or natural,
        outputs=component.outputs or (f"{component.name}.result",),
        effect=Effect.PURE if component.pure else Effect.UNKNOWN,
    )


def _extracting(component: Extracting, natural: tuple[str, ...]) -> Primitive:
    return Primitive(
        id=f"{component.name}.expand",
        op=Op.EXPAND,
        component=component.name,
        engine=component.llm or component.embedding,
        inputs=component.inputs or natural,
        outputs=component.outputs or (f"{component.name}.metadata",),
    )


def _contextualising(component: Contextualising) -> tuple[list[Primitive], Order]:
    name = component.name
    inputs = component.inputs or ("documents",)
    outputs = component.outputs or (f"{name}.contexts",)
    share = component.document_tokens // len(inputs)
    primitives: list[Primitive] = []
    order: Order = []
    for i in range(max(component.items, 1)):
        prompt = (
            PromptPart(INSTRUCTION_TOKENS),
            *(PromptPart(share, value, chunk=i) for value in inputs),
        )
        prefill = Primitive(
            id=f"{name}.prefill[{i}]",
            op=Op.PREFILLING,
            component=name,
            engine=component.llm,
            inputs=inputs,
            outputs=(f"{name}.prefilled[{i}]",),
            prompt=prompt,
        )
        decode = Primitive(
            id=f"{name}.decode[{i}]",
            op=Op.DECODING,
            component=name,
            engine=component.llm,
            inputs=prefill.outputs,
            outputs=(f"{outputs[0]}[{i}]",),
            tokens=component.tokens,
        )
        if primitives:
            order.append((primitives[-1].id, prefill.id))
        primitives += (prefill, decode)
    join = Primitive(
        id=f"{name}.join",
        op=Op.AGGREGATE,
        component=name,
        inputs=tuple(decode.outputs[0] for decode in primitives[1::2]),
        outputs=outputs,
        items=component.items,
    )
    return [*primitives, join], order
