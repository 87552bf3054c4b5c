"""Retrievers that are followed: each use of one has a place in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ayo_bridge.lift.lifted import Draft
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.recognise import loaded
from ayo_langchain.known import differs
from ayo_langchain.searching import VectorSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One use of a retriever in a graph, by the values that the taps feed."""

    retriever: Any
    question: str
    """The value its query is fed as."""
    ends: tuple[tuple[str, str], ...]
    """The components that it ends with, each with its value."""
    made: tuple[str, ...] = ()
    """The values that are there once it has returned."""
    settled: tuple[str, ...] = ()
    """The values that are there when the original comes to it."""
    asks: str = ""
    """The component in which it asks a model."""
    shared: tuple[tuple[str, VectorSearch], ...] = ()
    """Components that embed the question with one model: though the original comes to the first of
    them at once, that one runs ahead as well, for a request that is made ahead serves all."""
    left: tuple[Any, ...] = ()
    """Its parts that are not described: these are followed by themselves, if they are at all."""


class Lift(Protocol):
    """Adds what a retriever does with the value ``question`` to a draft, or says why not.

    It runs after the components ``after``; ``settled`` are the values of all before it.
    """

    def __call__(
        self,
        draft: Draft,
        retriever: Any,
        parts: Parts,
        question: str,
        *,
        sync: bool,
        after: tuple[str, ...] = (),
        settled: tuple[str, ...] = (),
    ) -> Place | str:
        """Lift the retriever."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of retrievers that are followed.

    Args:
        module, name: of the class.
        lift: for an object that behaves exactly as the class does.
        begins: the methods, sync and async, that tell the query before anything is done for it:
            ``method(query, run_manager, ...)``.
        methods: all that decide what it asks of others.
    """

    module: str
    name: str
    lift: Lift
    begins: tuple[str, str]
    methods: tuple[str, ...]

    def describes(self, obj: object) -> bool:
        """Whether ``obj`` is of the class or of one derived from it."""
        cls = loaded(self.module, self.name)
        return cls is not None and isinstance(obj, cls)

    def differs(self, retriever: Any) -> str | None:
        """Why a retriever of this kind may do something else, or ``None``."""
        return differs(retriever, loaded(self.module, self.name), *self.begins, *self.methods)
