"""Texts that an embedding model is given in batches: which calls these are, without making them.

Written for llama-index-core 0.14.25, llama-index-embeddings-huggingface 0.8.0 and
llama-index-embeddings-openai 0.6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.lift import remote_embedding
from ayo_bridge.lift.recognise import class_of, derives
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.schedule.limits import START
from ayo_bridge.seam import Call
from ayo_llamaindex.embeddings import is_served, lift_embedding
from ayo_llamaindex.known import differs
from ayo_llamaindex.llms import Clients, base_url

_METHODS: Final = (
    *("__call__", "acall", "get_text_embedding_batch", "aget_text_embedding_batch"),
    *("_get_text_embeddings", "_aget_text_embeddings", "_aget_text_embeddings_rate_limited"),
)
_LOCAL: Final = ("llama_index.embeddings.huggingface", "HuggingFaceEmbedding")
_LOCAL_METHODS: Final = (*_METHODS, "_embed", "_embed_with_retry")
_SERVED_METHODS: Final = (*_METHODS, "_create_retry_decorator", "_get_client", "_get_aclient")


@dataclass(frozen=True, slots=True)
class Texts:
    """How a model embeds texts.

    Args:
        engine: the name of its engine.
        size: texts of a batch.
        at_once: how many calls it serves side by side.
        least: of one list, fewer batches are left alone.
        call: the call of a batch.
    """

    engine: str
    size: int
    at_once: int
    least: int
    call: Callable[[Sequence[str]], Call]


def lift_texts(model: Any, runtime: Home, *, sync: bool = True) -> Texts | str:
    """Lift an embedding model that is given lists of texts, or say why it is left alone.

    ``sync`` says by which of its methods it is asked.
    """
    served = is_served(model)
    if not served and not derives(class_of(model), *_LOCAL):
        return f"{type(model).__name__} is no embedding model whose calls are known"
    query = lift_embedding(model, runtime, sync=sync)
    if isinstance(query, str):
        return query
    if query.call is None:
        return "it costs nothing"
    reason = differs(saw(model), class_of(model), *(_SERVED_METHODS if served else _LOCAL_METHODS))
    if reason is not None:
        return reason
    return _served(model, runtime, sync) if served else _local(model, runtime, query.engine)


def _local(model: Any, runtime: Home, engine: str) -> Texts:
    """Of a ``HuggingFaceEmbedding``."""

    def call(texts: Sequence[str]) -> Call:
        """Fused with none, so that its vectors are the same to the last bit."""
        made = embedding_call(engine, model._model, texts, _arguments_of(model))
        return replace(made, group=None)

    at_once = runtime.scheduler(engine).engine.limits.instances
    return Texts(engine, max(1, model.embed_batch_size), at_once, least=4, call=call)


def _arguments_of(model: Any) -> Mapping[str, Any]:
    """As llama-index-embeddings-huggingface 0.8.0 embeds a list (base.py, _embed_with_retry)."""
    return {
        "batch_size": model.embed_batch_size,
        "prompt_name": "text",
        "normalize_embeddings": model.normalize,
        "show_progress_bar": model.show_progress_bar,
    }


def _served(model: Any, runtime: Home, sync: bool) -> Texts:
    """Of an ``OpenAIEmbedding`` or ``OpenAILikeEmbedding``: servers put calls into batches."""
    served_by = base_url(model, sync)
    engine = remote_embedding.served_embeddings(runtime, served_by, model._text_engine)
    clients = Clients(model)

    def call(texts: Sequence[str]) -> Call:
        """As llama-index-embeddings-openai 0.6 embeds a list (base.py, get_embeddings)."""
        given = [text.replace("\n", " ") for text in texts]
        arguments = {"input": given, "model": model._text_engine, **model.additional_kwargs}
        client = clients.get(sync)
        return remote_embedding.embedding_call(runtime, engine, client, arguments, awaited=not sync)

    return Texts(engine, max(1, model.embed_batch_size), START, least=2, call=call)
