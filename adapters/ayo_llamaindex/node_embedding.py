"""Embedding the nodes of an ingestion: which calls a model gets, in which batches.

A batch is embedded ahead as soon as the text of each of its nodes is known, while extractors still
ask for other nodes. Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_llamaindex.extractors import Job, Nodes, Run, Step
from ayo_llamaindex.texts import Texts, lift_texts


@dataclass(frozen=True, slots=True)
class LiftedEmbedding:
    """An embedding model that embeds nodes. ``extractor`` is the framework's object.

    Args:
        extractor, texts, name: the model, its calls, and that of its component.
        part: an index gives its nodes to the model so many at a time; 0: a pipeline, all at once.
    """

    extractor: Any
    texts: Texts
    name: str
    part: int = 0

    @property
    def engine(self) -> str:
        """What it asks."""
        return self.texts.engine

    def step(self, run: Run, nodes: Nodes) -> Step:
        """Its calls in one run."""
        return Embeddings(self, run, nodes)


def lift_node_embedding(
    model: Any, runtime: Home, name: str, *, sync: bool, part: int = 0
) -> LiftedEmbedding | str:
    """Lift what embeds nodes, or say why it is left to run as it is."""
    texts = lift_texts(model, runtime, sync=sync)
    return texts if isinstance(texts, str) else LiftedEmbedding(model, texts, name, part)


class Embeddings(Step):
    """A call for each batch of nodes, in their order."""

    def __init__(self, lifted: LiftedEmbedding, run: Run, nodes: Nodes) -> None:
        super().__init__(run, nodes)
        self.lifted = lifted
        size, part = lifted.texts.size, lifted.part or max(1, self.count)
        self._part, self._per_part = part, math.ceil(part / size)
        self._batches = [
            range(start, min(start + size, first + part, self.count))
            for first in range(0, self.count, part)
            for start in range(first, min(first + part, self.count), size)
        ]
        self._left = list(map(len, self._batches))
        """How many nodes of each batch are not known yet."""
        # An index leaves out nodes without a text, and does not embed a second time.
        self._sound = not lifted.part or all(map(_is_embedded, nodes))

    def _come_to(self, index: int) -> None:
        part, within = divmod(index, self._part)
        batch = part * self._per_part + within // self.lifted.texts.size
        self._left[batch] -= 1
        if not self._left[batch] and self._sound:
            self.run.ask(self, Job(lambda: self._call(self._batches[batch]), order=batch))

    def _call(self, batch: range) -> Call:
        from llama_index.core.schema import MetadataMode

        return self.lifted.texts.call(
            [
                self.run.node(self, index).get_content(metadata_mode=MetadataMode.EMBED)
                for index in batch
            ]
        )


def _is_embedded(node: Any) -> bool:
    """Whether an index embeds a node, whatever extractors write into it."""
    return node.embedding is None and bool(node.get_content())
