"""``EnsembleRetriever``, ``MergerRetriever``: several retrievers are asked one question.

Sync code asks them one after another (langchain-classic 1.0.8, ``rank_fusion`` and
``merge_documents``), async code all at once: there only equal embeddings are left to save. What is
made of their documents reaches no engine.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ayo_bridge.graph import Opaque
from ayo_bridge.lift.lifted import Draft
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.places import Place
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
            # What comes after code that nobody knows may never be asked for.
            early += [] if left and sync else [(name, found)]
        ends.append((name, value))
        before = (name,) if sync else after
    if not ends:
        return "it asks no retriever"
    draft.covers.add(id(retriever))
    return Place(
        part=retriever,
        question=question,
        ends=tuple(ends),
        made=tuple(value for _, value in ends),
        settled=settled,
        shared=tuple((name, search.makers(name)) for name, search in _sharing(early)),
        left=tuple(left),
    )


def _sharing(searches: list[tuple[str, VectorSearch]]) -> tuple[tuple[str, VectorSearch], ...]:
    """The components whose model embeds the question for another one, too."""
    models = Counter(search.embedding for _, search in searches)
    return tuple(each for each in searches if models[each[1].embedding] > 1)
