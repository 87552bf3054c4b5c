"""Documents that become an index: transformations, and the embedding of what they make.

``VectorStoreIndex.from_documents`` and ``insert`` embed nodes once all transformations are done.
Batches whose nodes are known are embedded before. Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, derives, loaded
from ayo_bridge.lift.taps import guide_of, quietly
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import Scope, within
from ayo_bridge.seam import Follower
from ayo_llamaindex.always_used import of_settings
from ayo_llamaindex.extractors import Lifted
from ayo_llamaindex.ingestion import IngestionGuide
from ayo_llamaindex.known import overridden, replaced
from ayo_llamaindex.transforming import open_for, opened, transformed

_INDEX: Final = ("llama_index.core.indices.vector_store.base", "VectorStoreIndex")
_METHODS: Final = (
    *("insert", "insert_nodes", "_insert", "build_index_from_nodes", "_build_index_from_nodes"),
    *("_add_nodes_to_index", "_get_node_with_embedding", "__init__"),
)
_NAMES: Final = (
    *("documents", "storage_context", "show_progress", "callback_manager", "transformations"),
)
_OTHERWISE: Final = {"cache", "cache_collection", "in_place", "use_async"}
"""Keyword arguments with which an index is made in another way."""
_AT_A_TIME: Final = 2048
"""Nodes that an index embeds and inserts at a time, by default."""


class IndexGuide(IngestionGuide):
    """Follows transformations of which an index is made, and its embedding of their nodes.

    Args:
        scope, asking: of the run, and what asks models in it.
        steps: the transformations, and the embedding model.
        follower: of the call around it: what the index does is told to that again.
    """

    def __init__(
        self,
        scope: Scope,
        asking: Mapping[int, Lifted],
        steps: tuple[Sequence[Any], Any],
        follower: Follower | None,
    ) -> None:
        super().__init__(scope, asking, fresh=True)
        self._transformations, self._model = steps
        self._follower = follower

    def transformed(self, transformations: object, nodes: Sequence[Any]) -> None:
        """Transformations are done; those of an index inside of them are not meant."""
        if transformations is not self._transformations:
            return
        if self._follower is not None:
            self._scope.followed_by(self._follower)
            self._follower = None
        self.extracts(self._model, nodes)


def indexed(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``from_documents`` of a class, and ``insert`` of an index."""
    scope = opened(lambda outer: _open(outer, instance, args, kwargs))
    if scope is None:
        return wrapped(*args, **kwargs)
    with within(scope):
        return wrapped(*args, **kwargs)


def transformed_for_index(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``run_transformations`` as an index calls it."""
    guide = guide_of(IndexGuide)
    if guide is None or len(args) < 2:
        return transformed(wrapped, instance, args, kwargs)
    nodes = wrapped(*args, **kwargs)
    quietly(lambda: guide.transformed(args[1], nodes))
    return nodes


def _open(
    outer: Scope, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Scope | None:
    """The scope of an index of documents; ``None``: its embedding is left as it is."""
    if kwargs.keys() & _OTHERWISE:
        return None
    known = loaded(*_INDEX)
    if target is known:
        given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
        differs = replaced(known, *_METHODS)
        transformations = given.get("transformations") or of_settings("_transformations")
        model = given.get("embed_model") or of_settings("_embed_model")
        part = given.get("insert_batch_size", _AT_A_TIME)
    elif class_of(saw(target)) is known:
        differs = overridden(target, *_METHODS)
        transformations, model = target._transformations, target._embed_model
        part = target._insert_batch_size
    else:
        return None
    embeds = "llama_index.core.base.embeddings.base", "BaseEmbedding"
    if (
        differs is not None
        or not (isinstance(part, int) and part > 0)
        or not isinstance(transformations, list | tuple)
        or not derives(class_of(model), *embeds)
        or any(derives(class_of(each), *embeds) for each in transformations)
    ):
        return None
    return open_for(
        outer,
        [*transformations, model],
        lambda scope, asking: IndexGuide(scope, asking, (transformations, model), outer.follower),
        kwargs,
        sync=True,
        part=part,
    )
