"""Embedding the nodes of an ingestion: which calls a local model gets, in which batches.

Written for llama-index-core 0.14.25 and llama-index-embeddings-huggingface 0.8.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.lift.recognise import class_of, derives
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_llamaindex.embeddings import lift_embedding
from ayo_llamaindex.extractors import Job, Nodes, Run, Step
from ayo_llamaindex.known import differs

_METHODS: Final = (
    *("__call__", "acall", "get_text_embedding_batch", "aget_text_embedding_batch"),
    *("_get_text_embeddings", "_aget_text_embeddings", "_aget_text_embeddings_rate_limited"),
    *("_embed", "_embed_with_retry"),
)


@dataclass(frozen=True, slots=True)
class LiftedEmbedding:
    """A local embedding model as a transformation. ``extractor`` is the framework's object."""

    extractor: Any
    engine: str
    name: str

    def step(self, run: Run, nodes: Nodes) -> Step:
        """Its calls in one run."""
        return Embeddings(self, run, nodes)


def lift_node_embedding(model: Any, runtime: Home, name: str) -> LiftedEmbedding | str:
    """Lift an embedding model as a transformation, or say why it is left to run as it is."""
    if not derives(class_of(model), "llama_index.embeddings.huggingface", "HuggingFaceEmbedding"):
        return f"{type(model).__name__} is no model of this process"
    query = lift_embedding(model, runtime, sync=True)
    if isinstance(query, str):
        return query
    if query.call is None:
        return "it costs nothing"
    reason = differs(saw(model), class_of(model), *_METHODS)
    return reason or LiftedEmbedding(model, query.engine, name)


class Embeddings(Step):
    """A call for each batch of nodes, in their order."""

    def __init__(self, lifted: LiftedEmbedding, run: Run, nodes: Nodes) -> None:
        super().__init__(run, nodes)
        self.lifted = lifted
        self._size = max(1, lifted.extractor.embed_batch_size)
        self._left = [
            min(self._size, self.count - start) for start in range(0, self.count, self._size)
        ]
        """How many nodes of each batch are not known yet."""

    def _come_to(self, index: int) -> None:
        batch = index // self._size
        self._left[batch] -= 1
        if not self._left[batch]:
            self.run.ask(self, Job(lambda: self._call(batch), lambda _: None, batch))

    def _call(self, batch: int) -> Call:
        from llama_index.core.schema import MetadataMode

        model, start = self.lifted.extractor, batch * self._size
        texts = [
            self.run.node(self, index).get_content(metadata_mode=MetadataMode.EMBED)
            for index in range(start, min(start + self._size, self.count))
        ]
        return embedding_call(self.lifted.engine, model._model, texts, arguments_of(model))


def arguments_of(model: Any) -> dict[str, Any]:
    """What a model's ``encode`` is given beside the texts of a batch."""
    return {
        "batch_size": model.embed_batch_size,
        "prompt_name": "text",
        "normalize_embeddings": model.normalize,
        "show_progress_bar": model.show_progress_bar,
    }
