"""Rerankers and scorers: Cohere's API as vLLM, Infinity and others serve it, and that of TEI.

What they say is the texts of the request, the best first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ayo_bridge.engines.dialects.openai import MOST_BYTES
from ayo_bridge.seam import Answer, EngineKind, Fields, FoundItem
from ayo_bridge.seam.dialect import Dialect, Said


def _ranked(texts: Sequence[str], ranks: Iterable[Any]) -> Answer:
    """The texts in the order of a reply, which names each by its place in the request."""
    return Answer(items=tuple(FoundItem(texts[rank["index"]], "", {}) for rank in ranks))


def _texts(documents: Sequence[Any]) -> list[str]:
    """Documents are texts, or objects that have one.

    Raises:
        ValueError: one has none.
    """
    found = (each.get("text") if isinstance(each, dict) else each for each in documents)
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) != len(documents):
        raise ValueError("not all documents are texts")
    return texts


def _results(fields: Fields, said: Said) -> Answer:
    return _ranked(_texts(fields["documents"]), said.document["results"])


def _places(fields: Fields, said: Said) -> Answer:
    return _ranked(fields["texts"], said.document)


def _scores(fields: Fields, said: Said) -> Answer:
    """One text against several: the best first; equal ones stay in their order."""
    texts = fields["text_2"] if isinstance(fields["text_2"], list) else [fields["text_2"]]
    if isinstance(fields["text_1"], list):
        raise ValueError("several texts are compared with several")
    scored = [(float(each["score"]), texts[each["index"]]) for each in said.document["data"]]
    scored.sort(key=lambda each: -each[0])
    return Answer(items=tuple(FoundItem(text, "", {}) for _, text in scored))


def _vectors(_: Fields, said: Said) -> Answer:
    return Answer(vectors=tuple(tuple(map(float, vector)) for vector in said.document))


RERANK: Final = Dialect(
    name="rerank",
    kind=EngineKind.RERANKER,
    paths=("/rerank",),
    fields=("query", "documents"),
    inputs="documents",
    delivery=(),
    deterministic=True,
    answer=_results,
    most_bytes=MOST_BYTES,
)
"""Cohere's, with any version before it: vLLM, Infinity, Jina."""
TEI_RERANK: Final = Dialect(
    name="TEI rerank",
    kind=EngineKind.RERANKER,
    paths=("/rerank",),
    fields=("query", "texts"),
    model="",
    inputs="texts",
    delivery=(),
    deterministic=True,
    answer=_places,
    most_bytes=MOST_BYTES,
)
SCORE: Final = Dialect(
    name="score",
    kind=EngineKind.RERANKER,
    paths=("/score",),
    fields=("text_1", "text_2"),
    inputs="text_2",
    delivery=(),
    deterministic=True,
    answer=_scores,
    most_bytes=MOST_BYTES,
)
"""That of vLLM."""
TEI_EMBED: Final = Dialect(
    name="TEI embed",
    kind=EngineKind.EMBEDDING,
    paths=("/embed",),
    fields=("inputs",),
    model="",
    inputs="inputs",
    delivery=(),
    deterministic=True,
    answer=_vectors,
    most_bytes=MOST_BYTES,
)
