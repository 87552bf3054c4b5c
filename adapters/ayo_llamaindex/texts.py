"""Texts that an embedding model is given in batches: which calls these are, without making them.

Written for llama-index-core 0.14.25 and llama-index-embeddings-openai 0.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.lift import remote_embedding
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.runahead.home import Home
from ayo_bridge.schedule.limits import START
from ayo_bridge.seam import Call
from ayo_llamaindex.embeddings import is_served, lift_embedding
from ayo_llamaindex.known import differs
from ayo_llamaindex.llms import Clients, base_url
from ayo_llamaindex.node_embedding import arguments_of, lift_node_embedding

_METHODS: Final = (
    *("get_text_embedding_batch", "_get_text_embeddings"),
    *("_create_retry_decorator", "_get_client"),
)


@dataclass(frozen=True, slots=True)
class Texts:
    """How a model embeds texts.

    Args:
        engine: the name of its engine.
        size: texts of a batch.
        at_once: how many calls it serves side by side.
        least: fewer batches are left alone.
        ingested: whether ingestion knows of it itself.
        call: the call of a batch.
    """

    engine: str
    size: int
    at_once: int
    least: int
    ingested: bool
    call: Callable[[Sequence[str]], Call]


def lift_texts(model: Any, runtime: Home) -> Texts | str:
    """Lift an embedding model that is given lists of texts, or say why it is left alone."""
    if is_served(model):
        return _lift_served(model, runtime)
    lifted = lift_node_embedding(model, runtime, "")
    if isinstance(lifted, str):
        return lifted

    def call(texts: Sequence[str]) -> Call:
        """Fused with none, so that its vectors are the same to the last bit."""
        made = embedding_call(lifted.engine, model._model, texts, arguments_of(model))
        return replace(made, group=None)

    at_once = runtime.scheduler(lifted.engine).engine.limits.instances
    size = max(1, model.embed_batch_size)
    return Texts(lifted.engine, size, at_once, least=4, ingested=True, call=call)


def _lift_served(model: Any, runtime: Home) -> Texts | str:
    """Lift an ``OpenAIEmbedding`` or ``OpenAILikeEmbedding``: servers put calls into batches."""
    query = lift_embedding(model, runtime, sync=True)
    if isinstance(query, str):
        return query
    reason = differs(model, class_of(model), *_METHODS)
    if reason is not None:
        return reason
    served_by = base_url(model, True)
    engine = remote_embedding.served_embeddings(runtime, served_by, model._text_engine)
    clients = Clients(model)

    def call(texts: Sequence[str]) -> Call:
        """As llama-index-embeddings-openai 0.6 embeds a list (base.py, get_embeddings)."""
        given = [text.replace("\n", " ") for text in texts]
        arguments = {"input": given, "model": model._text_engine, **model.additional_kwargs}
        client = clients.get(True)
        return remote_embedding.embedding_call(runtime, engine, client, arguments, awaited=False)

    size = max(1, model.embed_batch_size)
    return Texts(engine, size, START, least=2, ingested=False, call=call)
