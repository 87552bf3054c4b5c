"""``EnsembleRetriever``, ``MergerRetriever``: several retrievers are asked one question.

Sync code asks them one after another (langchain-classic 1.0.8, ``rank_fusion`` and
``merge_documents``); async code asks all at once, and there is nothing left to win. What is made
of their documents reaches no engine.
"""

from __future__ import annotations

from typing import Any

from ayo_bridge.graph import Opaque
from ayo_bridge.lift.lifted import Draft
from ayo_langchain.parts import Parts
from ayo_langchain.places import Place
from ayo_langchain.searching import VectorSearch, add_search, lift_vector_retriever


def lift_fan_out(
    draft: Draft,
    retriever: Any,
    parts: Parts,
    question: str,
    *,
    sync: bool,
    after: tuple[str, ...] = (),
    settled: tuple[str, ...] = (),
) -> Place | str:
    """Lift the searches of the vector store retrievers in it; others are left as they are."""
    ends: list[tuple[str, str]] = []
    early: list[tuple[str, VectorSearch]] = []
    left: list[Any] = []
    before = after
    for inner in retriever.retrievers:
        found = parts.once(lift_vector_retriever, inner)
        name = draft.name("part" if isinstance(found, str) else "search")
        value = f"{name}.hits"
        if isinstance(found, str):
            left.append(inner)
            draft.add(Opaque(name=name, inputs=(question,), outputs=(value,), reason=found), before)
        elif add_search(draft, found, parts, name, (question,), after=before):
            early.append((name, found))
        ends.append((name, value))
        before = (name,) if sync else after
    if not ends:
        return "it asks no retriever"
    draft.covers.add(id(retriever))
    return Place(
        retriever=retriever,
        question=question,
        ends=tuple(ends),
        made=tuple(value for _, value in ends),
        settled=settled,
        joining=_first_of_many(early) if sync else (),
        left=tuple(left),
    )


def _first_of_many(searches: list[tuple[str, VectorSearch]]) -> tuple[str, ...]:
    """For each model that embeds the question more than once, the primitive that does so first."""
    first: dict[str, str] = {}
    again: set[str] = set()
    for name, search in searches:
        if first.setdefault(search.embedding, name) != name:
            again.add(search.embedding)
    return tuple(f"{name}.embed" for model, name in first.items() if model in again)
