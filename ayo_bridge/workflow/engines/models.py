"""Models of sentence-transformers as the embedding and the reranker of native workflows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ayo_bridge.engines.sentence_transformer import (
    CrossEncoderModel,
    EmbeddingModel,
    embedding_call,
    rerank_call,
)
from ayo_bridge.seam import Call
from ayo_bridge.workflow.requests import Embed, Rerank

_QUIET = {"show_progress_bar": False}


class _Held:
    """A model of the user's, and the arguments of all its calls."""

    def __init__(
        self,
        name: str,
        model: Any,
        *,
        max_items: int | None = None,
        strict: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(name, max_items=max_items, strict=strict)  # type: ignore[call-arg]
        self._model = model
        self._arguments = {**_QUIET, **arguments}


class Embedder(_Held, EmbeddingModel):
    """A ``SentenceTransformer`` that serves :class:`Embed`; vectors are its own arrays.

    Texts of many queries share a batch where that gives each the vector it would have got alone
    (to about 1e-7), and where they are of similar length.

    Args:
        name: the engine's name, as components refer to it.
        model: the ``SentenceTransformer``.
        max_items: the most texts in one batch (b*); ``None`` leaves it to the profile.
        strict: never fuse, so that vectors are bit-equal.
        arguments: for every ``encode``, e.g. ``prompt_name="query"``.
    """

    def to_request(self, call: Call) -> Call:
        """The call of ``encode``."""
        request = call.payload
        if not isinstance(request, Embed):
            raise TypeError(f"{self.name!r} serves Embed, not {type(request).__name__}")
        texts = list(request.texts)
        return _for(call, embedding_call(self.name, self._model, texts, self._arguments))

    def to_value(self, call: Call, result: Sequence[object]) -> list[object]:
        """A vector a text."""
        return list(result)


class CrossEncoderReranker(_Held, CrossEncoderModel):
    """A ``CrossEncoder`` that serves :class:`Rerank`; arguments are those of :class:`Embedder`."""

    def to_request(self, call: Call) -> Call:
        """The call of ``predict``."""
        request = call.payload
        if not isinstance(request, Rerank):
            raise TypeError(f"{self.name!r} serves Rerank, not {type(request).__name__}")
        pairs = [(request.query, candidate) for candidate in request.candidates]
        return _for(call, rerank_call(self.name, self._model, pairs, self._arguments))

    def to_value(self, call: Call, result: Sequence[Any]) -> list[float]:
        """A score a candidate."""
        return [float(score) for score in result]


def _for(call: Call, made: Call) -> Call:
    """The workflow's call with the model's request; what must not be fused has no group."""
    return replace(call, payload=made.payload, group=made.group)
