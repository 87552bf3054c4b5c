"""From a LangChain runnable to its module template.

What a runnable does is read off its structure; nothing of it is called. Only what a
``MultiQueryRetriever`` sets off ever runs ahead, and it starts when the original comes to that
retriever, so a step that is not understood costs no more than a component without a description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ayo_bridge.graph import Component, Opaque, Synthesis, SynthesisMode, Template
from ayo_bridge.runahead import Maker, MakerKey
from ayo_langchain.exact import class_of, is_binding
from ayo_langchain.expansion import Expansion, is_multi_query, lift_multi_query
from ayo_langchain.lifter import Lifter
from ayo_langchain.llms import lift_llm
from ayo_langchain.searching import lift_vector_retriever

QUESTION = "question"


@dataclass(slots=True)
class LiftedChain:
    """A template with what is needed to follow one call of it."""

    template: Template
    makers: Mapping[MakerKey, Maker]
    expansions: list[Expansion]
    settled: Mapping[str, tuple[str, ...]]
    """By the question of an expansion: the values that are there when the original comes to it."""


@dataclass(frozen=True, slots=True)
class _Flow:
    """What reaches a step: the question, as far as it is unchanged, and results before it."""

    question: str | None
    tails: tuple[tuple[str, str], ...] = ()
    """The components just before, each with its value."""
    settled: tuple[str, ...] = ()
    """The values of all components before."""

    def values(self) -> tuple[str, ...]:
        return tuple(value for _, value in self.tails)


def lift_chain(obj: Any, lifter: Lifter, *, copies: int = 1) -> LiftedChain:
    """Lift a runnable for one call, or for a batch of ``copies`` inputs."""
    parts = [_Walk(lifter, f"{i}." if copies > 1 else "") for i in range(max(copies, 1))]
    for part in parts:
        part.walk(obj, _Flow(part.question))
    template = Template(
        tuple(component for part in parts for component in part.components),
        tuple(edge for part in parts for edge in part.edges),
        tuple(value for part in parts for value in part.inputs),
        class_of(obj).__name__,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
    makers: dict[MakerKey, Maker] = {}
    settled: dict[str, tuple[str, ...]] = {}
    for part in parts:
        makers.update(part.makers)
        settled.update(part.settled)
    return LiftedChain(template, makers, [e for part in parts for e in part.expansions], settled)


@dataclass(slots=True)
class _Walk:
    """Goes through a runnable in the order in which it runs."""

    lifter: Lifter
    prefix: str
    components: list[Component] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    makers: dict[MakerKey, Maker] = field(default_factory=dict)
    expansions: list[Expansion] = field(default_factory=list)
    settled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs.append(self.question)

    @property
    def question(self) -> str:
        """The value of this input of the call."""
        return self.prefix + QUESTION

    def walk(self, step: Any, flow: _Flow) -> _Flow:
        """Add what ``step`` does, and return what reaches the step after it."""
        handler = _handler(step)
        return handler(self, step, flow)

    # Structure.

    def sequence(self, step: Any, flow: _Flow) -> _Flow:
        for inner in step.steps:
            flow = self.walk(inner, flow)
        return flow

    def parallel(self, step: Any, flow: _Flow) -> _Flow:
        ends = [self.walk(inner, flow) for inner in step.steps__.values()]
        new = [end for end in ends if end.tails != flow.tails]
        tails = dict.fromkeys(tail for end in new for tail in end.tails)
        settled = dict.fromkeys(value for end in ends for value in end.settled)
        question = flow.question if len(new) < len(ends) else None
        return _Flow(question, tuple(tails) or flow.tails, tuple(settled))

    def assign(self, step: Any, flow: _Flow) -> _Flow:
        return replace(self.parallel(step.mapper, flow), question=flow.question)

    def binding(self, step: Any, flow: _Flow) -> _Flow:
        from langchain_core.language_models import BaseLanguageModel

        inner = step.bound
        while is_binding(inner):
            inner = inner.bound
        if isinstance(inner, BaseLanguageModel):
            return self.model(step, flow)
        return self.walk(step.bound, flow)

    def passthrough(self, step: Any, flow: _Flow) -> _Flow:
        if step.func is None and step.afunc is None:
            return flow
        return self.unknown(step, flow, "its function is called beside")

    def function(self, step: Any, flow: _Flow) -> _Flow:
        from operator import itemgetter

        if isinstance(getattr(step, "func", None), itemgetter):
            return flow
        return self.unknown(step, flow, "what a function does is not known")

    def glue(self, step: Any, flow: _Flow) -> _Flow:
        return replace(flow, question=None)

    def pick(self, step: Any, flow: _Flow) -> _Flow:
        return flow

    def parser(self, step: Any, flow: _Flow) -> _Flow:
        if class_of(step).__module__.startswith("langchain_core."):
            return self.glue(step, flow)
        return self.unknown(step, flow)

    # Engines.

    def retriever(self, step: Any, flow: _Flow) -> _Flow:
        if is_multi_query(step):
            return self.multi_query(step, flow)
        found = self.lifter.once(lift_vector_retriever, step)
        if isinstance(found, str):
            return self.unknown(step, flow, found)
        name = self.name("search")
        value = flow.question or next(iter(flow.values()), None) or self.input(f"{name}.query")
        return self.add(found.component(name, (value,), 1), flow)

    def multi_query(self, step: Any, flow: _Flow) -> _Flow:
        question = flow.question
        # Two expansions of one value would start together; the original runs them in turn, and
        # what the second one asks for is certain only when it is asked.
        if question is None or question in self.settled:
            question = f"{self.prefix}query{len(self.settled)}"
        lifted = lift_multi_query(step, self.lifter, self.name, question)
        if isinstance(lifted, str):
            return self.unknown(step, flow, lifted)
        if question not in self.inputs:
            self.input(question)
        self.settled[question] = flow.settled
        self.expansions.append(lifted.expansion)
        self.makers.update(lifted.makers)
        self.notes += [note.removeprefix(self.prefix) for note in lifted.notes]
        for component in lifted.components:
            flow = self.add(component, flow)
        return flow

    def model(self, step: Any, flow: _Flow) -> _Flow:
        llm = self.lifter.once(lift_llm, step)
        if isinstance(llm, str):
            return self.unknown(step, flow, llm)
        name = self.name("synthesis")
        return self.add(
            Synthesis(
                name=name,
                llm=llm.engine,
                mode=SynthesisMode.ONE_SHOT,
                chunks=1,
                inputs=(self.question, *flow.values()),
                outputs=(f"{name}.answer",),
            ),
            flow,
        )

    def unknown(self, step: Any, flow: _Flow, reason: str = "") -> _Flow:
        cls = class_of(step).__name__
        name = self.name("step")
        return self.add(
            Opaque(
                name=name,
                inputs=flow.values() or (self.question,),
                outputs=(f"{name}.result",),
                reason=f"{cls}: {reason}" if reason else f"{cls} is not known",
            ),
            flow,
        )

    # Building.

    def add(self, component: Component, flow: _Flow) -> _Flow:
        """Append a component that runs after what ``flow`` brings."""
        self.components.append(component)
        self.edges.extend((before, component.name) for before, _ in flow.tails)
        value = component.outputs[0]
        return _Flow(None, ((component.name, value),), (*flow.settled, value))

    def name(self, kind: str) -> str:
        """A component name that is not taken: ``search``, ``search2``, ..."""
        number = self._names[kind] = self._names.get(kind, 0) + 1
        return f"{self.prefix}{kind}{number if number > 1 else ''}"

    def input(self, value: str) -> str:
        """Declare a value that comes from outside the graph."""
        self.inputs.append(value)
        return value


_Handler = Callable[[_Walk, Any, _Flow], _Flow]


def _handler(step: Any) -> _Handler:
    """What reads a runnable of this class. Structure is read by exact class only."""
    from langchain_core.language_models import BaseLanguageModel
    from langchain_core.output_parsers import BaseLLMOutputParser
    from langchain_core.prompts import BasePromptTemplate
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import (
        RunnableAssign,
        RunnableLambda,
        RunnableParallel,
        RunnablePassthrough,
        RunnablePick,
        RunnableSequence,
    )

    structure: dict[type, _Handler] = {
        RunnableSequence: _Walk.sequence,
        RunnableParallel: _Walk.parallel,
        RunnableAssign: _Walk.assign,
        RunnablePassthrough: _Walk.passthrough,
        RunnablePick: _Walk.pick,
        RunnableLambda: _Walk.function,
    }
    found = structure.get(class_of(step))
    if found is not None:
        return found
    if is_binding(step):
        return _Walk.binding
    kinds: Sequence[tuple[type, _Handler]] = (
        (BaseRetriever, _Walk.retriever),
        (BaseLanguageModel, _Walk.model),
        (BasePromptTemplate, _Walk.glue),
        (BaseLLMOutputParser, _Walk.parser),
    )
    return next((handler for kind, handler in kinds if isinstance(step, kind)), _Walk.unknown)


__all__ = ["QUESTION", "LiftedChain", "lift_chain"]
