"""From a LangChain runnable to its module template.

What a runnable does is read off its structure; nothing of it is called. Only what retrievers that
are followed (:mod:`ayo_langchain.kinds`) set off ever runs ahead, and it starts when the original
comes to one, so a step that is not understood costs no more than a component without a description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import getattr_static
from typing import Any, Final

from ayo_bridge.graph import Component, Opaque, Synthesis, SynthesisMode
from ayo_bridge.lift.computing import only_computes
from ayo_bridge.lift.lifted import Asked, Draft
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.places import Kind, Place, kind_of
from ayo_bridge.lift.recognise import class_of, is_a
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import AcceleratedState
from ayo_langchain.kinds import KINDS
from ayo_langchain.known import is_binding
from ayo_langchain.llms import lift_llm
from ayo_langchain.searching import lift_vector_retriever

QUESTION: Final = "question"


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


def lift_chain(obj: Any, state: AcceleratedState, asked: Asked) -> tuple[Draft, list[Place]]:
    """Lift a runnable for one call, or for a batch of several inputs."""
    parts = Parts(state)
    whole, places = Draft(covers={id(obj)}), []
    for index in range(max(asked.copies, 1)):
        walk = _Walk(parts, asked.sync, Draft(f"{index}." if asked.copies > 1 else ""))
        walk.walk(obj, _Flow(walk.draft.input(walk.question)))
        whole.take(walk.draft)
        places += walk.places
    return whole, places


@dataclass(slots=True)
class _Walk:
    """Goes through a runnable in the order in which it runs."""

    parts: Parts
    sync: bool
    draft: Draft
    places: list[Place] = field(default_factory=list)

    @property
    def question(self) -> str:
        """The value of this input of the call."""
        return self.draft.prefix + QUESTION

    def walk(self, step: Any, flow: _Flow) -> _Flow:
        """Add what ``step`` does, and return what reaches the step after it."""
        handler = _handler(saw(step))
        self.draft.covers.add(id(step))
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

        function = getattr(step, "func", None) or getattr(step, "afunc", None)
        if isinstance(function, itemgetter):
            return flow
        if only_computes(function):
            return self.glue(step, flow)
        inner = any(kind_of(KINDS, dep) for dep in _deps(step))
        self.draft.followed |= inner
        self.draft.leads |= inner
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
        kind = kind_of(KINDS, step)
        if kind is not None:
            return self.place(kind, step, flow)
        found = self.parts.once(lift_vector_retriever, step)
        if isinstance(found, str):
            return self.unknown(step, flow, found)
        name = self.draft.name("search")
        value = flow.question or next(iter(flow.values()), None)
        value = value or self.draft.input(f"{name}.query")
        return self.add(found.component(name, (value,), 1), flow)

    def place(self, kind: Kind, step: Any, flow: _Flow) -> _Flow:
        reason = kind.differs(step)
        if reason is not None:
            return self.unknown(step, flow, reason)
        question = flow.question
        # Two retrievers with one value would start together; the original runs them in turn, and
        # what the second one asks for is certain only when it is asked.
        if question is None or any(question == other.question for other in self.places):
            question = f"{self.draft.prefix}query{len(self.places)}"
        after = tuple(name for name, _ in flow.tails)
        settled = flow.settled
        found = kind.lift(
            self.draft, step, self.parts, question, sync=self.sync, after=after, settled=settled
        )
        if isinstance(found, str):
            return self.unknown(step, flow, found)
        self.draft.input(question)
        inner = any(kind_of(KINDS, part) for part in found.left)
        self.draft.followed |= inner
        self.draft.leads |= inner or bool(self.draft.makers)
        self.places.append(found)
        return _Flow(None, found.ends, (*settled, *found.made))

    def model(self, step: Any, flow: _Flow) -> _Flow:
        llm = self.parts.once(lift_llm, step)
        if isinstance(llm, str):
            return self.unknown(step, flow, llm)
        name = self.draft.name("synthesis")
        component = Synthesis(
            name=name,
            llm=llm.engine,
            mode=SynthesisMode.ONE_SHOT,
            chunks=1,
            inputs=(self.question, *flow.values()),
            outputs=(f"{name}.answer",),
        )
        return self.add(component, flow)

    def graph(self, step: Any, flow: _Flow) -> _Flow:
        """What the nodes of LangGraph's graphs ask is learned; nothing is missing there."""
        return self.unknown(step, flow, None)

    def unknown(self, step: Any, flow: _Flow, reason: str | None = "") -> _Flow:
        cls = class_of(step).__name__
        said = f"{cls}: {reason}" if reason else f"{cls} is not known"
        self.draft.covers.discard(id(step))
        name = self.draft.name("step")
        return self.add(
            Opaque(
                name=name,
                inputs=flow.values() or (self.question,),
                outputs=(f"{name}.result",),
                reason="" if reason is None else said,
            ),
            flow,
        )

    # Building.

    def add(self, component: Component, flow: _Flow) -> _Flow:
        """Append a component that runs after what ``flow`` brings."""
        self.draft.add(component, [before for before, _ in flow.tails])
        value = component.outputs[0]
        return _Flow(None, ((component.name, value),), (*flow.settled, value))


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
    if is_a(step, "langgraph.pregel", "Pregel"):
        return _Walk.graph
    kinds: Sequence[tuple[type, _Handler]] = (
        (BaseRetriever, _Walk.retriever),
        (BaseLanguageModel, _Walk.model),
        (BasePromptTemplate, _Walk.glue),
        (BaseLLMOutputParser, _Walk.parser),
    )
    return next((handler for kind, handler in kinds if isinstance(step, kind)), _Walk.unknown)


def _deps(step: Any) -> Sequence[Any]:
    """The runnables that a function uses. Asked for by name, they would stay in its attributes."""
    found: Any = getattr_static(type(step), "deps")
    deps: Sequence[Any] = found.func(step) if isinstance(found, cached_property) else step.deps
    return deps
