"""Ingestion pipelines: what they consist of, and what runs ahead of their extractors.

Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ayo_bridge.graph import Extracting, Opaque
from ayo_bridge.lift import lifted as lifts
from ayo_bridge.lift.entry import Entry
from ayo_bridge.lift.lifted import Asked, Draft
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import AcceleratedState, Scope
from ayo_bridge.runahead.home import Home
from ayo_llamaindex.extraction import Extraction
from ayo_llamaindex.extractors import Lifted
from ayo_llamaindex.known import differs
from ayo_llamaindex.known_extractors import kind_name, lift_extractor
from ayo_llamaindex.node_embedding import LiftedEmbedding, lift_node_embedding
from ayo_llamaindex.opaque import asks_llm
from ayo_llamaindex.parts import part_of

DOCUMENTS: Final = "documents"
"""The graph value of what is ingested."""
_MODULE: Final = "llama_index.core.ingestion.pipeline"
_METHODS: Final = ("run", "arun")
_GIVEN: Final = (
    *("show_progress", "documents", "nodes", "cache_collection", "in_place"),
    *("store_doc_text", "num_workers"),
)
"""What a run is given by name; anything else goes to the transformations."""
_NODES: Final = "llama_index.core.schema"


def asked_of(entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
    """A run in this process that gives its transformations nothing but nodes."""
    given = {**dict(zip(_GIVEN, args, strict=False)), **kwargs}
    if len(args) > len(_GIVEN) or not given.keys() <= set(_GIVEN):
        return None
    workers = given.get("num_workers")
    if workers and workers > 1:  # Each in a process of its own.
        return None
    return Asked(entry.sync, {DOCUMENTS: True})


def is_pipeline(obj: object) -> bool:
    """Whether it is an ``IngestionPipeline``."""
    cls = class_of(obj)
    return cls.__name__ == "IngestionPipeline" and loaded(_MODULE, "IngestionPipeline") is cls


def lift_ingestion(pipeline: Any, state: AcceleratedState, asked: Asked) -> lifts.Lifted | None:
    """Lift a pipeline; ``None``: it is better learned, or nothing of it asks an LLM."""
    cls = class_of(saw(pipeline))
    if differs(pipeline, cls, *_METHODS, "_prepare_inputs") is not None:
        return None
    found = lift_transformations(pipeline.transformations, state.runtime, sync=asked.sync)
    if found is None:
        return None
    draft, asking = found
    draft.covers.add(id(pipeline))
    if pipeline.vector_store is not None:
        draft.then(Opaque(name="insert", reason="a write is made where it stands"))
    return draft.lifted(
        cls.__name__,
        lambda scope, _: IngestionGuide(
            scope, asking, fresh=pipeline.disable_cache or is_fresh(pipeline.cache)
        ),
    )


def lift_transformations(
    transformations: Sequence[Any], runtime: Home, *, sync: bool, part: int = 0
) -> tuple[Draft, Mapping[int, Lifted]] | None:
    """Transformations that follow each other, and those of them that ask models, by place.

    ``None``: none of them asks an LLM, or one does of which nothing is known: it can be learned.

    Args:
        transformations, runtime: what is lifted, and for whom.
        sync: whether embedding models are asked by their synchronous methods.
        part: of nodes that embedding models get at a time; 0: all.
    """
    draft = Draft(inputs=[DOCUMENTS], leads=True)
    asking: dict[int, Lifted] = {}
    for place, each in enumerate(transformations):
        name = draft.name(_name(each))
        lifted = _lifted(each, runtime, name, sync, part)
        if not isinstance(lifted, str):
            asking[place] = lifted
            llm, embedding = ("", lifted.engine) if _embeds(each) else (lifted.engine, "")
            draft.then(Extracting(name=name, llm=llm, embedding=embedding))
        elif asks_llm(each):
            return None
        else:
            known = part_of(class_of(saw(each))) is not None
            reason = "" if known else f"{class_of(each).__name__} is not a known transformation"
            draft.then(Opaque(name=name, pure=known, reason=reason))
    if all(isinstance(each, LiftedEmbedding) for each in asking.values()):
        return None
    return draft, asking


def _name(transformation: Any) -> str:
    kind = kind_name(transformation)
    return kind or ("embed" if _embeds(transformation) else "transform")


def _embeds(transformation: Any) -> bool:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    return isinstance(transformation, BaseEmbedding)


def _lifted(transformation: Any, runtime: Home, name: str, sync: bool, part: int) -> Lifted | str:
    """What is known of a transformation that asks a model, or why nothing is."""
    if kind_name(transformation) is not None:
        return lift_extractor(transformation, runtime, name)
    if _embeds(transformation):
        return lift_node_embedding(transformation, runtime, name, sync=sync, part=part)
    return "it asks no model"


class IngestionGuide:
    """Follows one run of transformations. Lives as long as its scope.

    Args:
        scope: of the run.
        extractors: those that ask models, by their places.
        fresh: whether the cache holds nothing so far: else what later extractors would be asked
            may be in it.
    """

    def __init__(self, scope: Scope, extractors: Mapping[int, Lifted], *, fresh: bool) -> None:
        self._scope = scope
        self._extractors = extractors
        self._extraction: Extraction | None = None
        self._alone = not fresh

    def embeds(self, model: object) -> bool:
        """Whether a model's batches are asked ahead."""
        return self._extraction is not None and self._extraction.embeds(model)

    def extracts(self, extractor: Any, nodes: Sequence[Any]) -> None:
        """An extractor begins with these nodes."""
        place = next((i for i, each in self._extractors.items() if each.extractor is extractor), -1)
        if place < 0:
            return
        before = self._extraction
        if before is not None and before.covers(place, nodes):
            before.begins(place, nodes)
            return
        if before is not None:
            before.close()
        self._extraction = self._scope.on_claim = None
        extraction = self._extract(place, nodes)
        if extraction is not None:
            self._extraction = extraction
            self._scope.on_claim = extraction.claimed
            self._scope.on_close(extraction.close)
            extraction.begins(place, nodes)

    def _extract(self, place: int, nodes: Sequence[Any]) -> Extraction | None:
        """The run of extractors that begins at a place; ``None``: nothing is won by it."""
        runtime = self._scope.runtime
        if not runtime.run_ahead or not all(map(_is_plain, nodes)):
            return None
        following = [self._extractors[place]]
        while not self._alone and place + len(following) in self._extractors:
            if isinstance(following[-1], LiftedEmbedding):
                break  # What it writes is no metadata.
            following.append(self._extractors[place + len(following)])
        extraction = Extraction(self._scope, following, place, nodes)
        if extraction.gain <= 0:
            return None
        declined = runtime.client.declines(extraction.gain, extraction.calls)
        if declined:
            self._scope.note(declined)
        return None if declined else extraction


def is_fresh(cache: Any) -> bool:
    """Whether a cache of transformations certainly holds nothing so far."""
    known = loaded("llama_index.core.storage.kvstore.simple_kvstore", "SimpleKVStore")
    store = cache.cache
    return type(store) is known and not any(store._collections_mappings.values())


def _is_plain(node: Any) -> bool:
    """Whether a node is of LlamaIndex's own classes: what it says changes nothing."""
    return type(node).__module__ == _NODES
