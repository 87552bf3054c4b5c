"""Embedding models of LlamaIndex: which request a query text is, without calling them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_bridge.engines.dialects import OLLAMA_EMBED
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.lift import ollama, remote_embedding
from ayo_bridge.lift.llm import is_json, is_sdk_json
from ayo_bridge.lift.makers import QueryEmbedding, costs_nothing
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call, EngineKind
from ayo_llamaindex.known import differs
from ayo_llamaindex.llms import Clients, base_url, client_refusal

_MOCK: Final = "embedding:mock"
_METHODS: Final = (
    *("get_query_embedding", "aget_query_embedding", "get_agg_embedding_from_queries"),
    *("_get_query_embedding",),
)
_REMOTE_METHODS: Final = (
    *_METHODS,
    *("aget_agg_embedding_from_queries", "_aget_query_embedding", "_create_retry_decorator"),
    *("_get_client", "_get_aclient", "_get_credential_kwargs"),
)
_REMOTE: Final = (
    ("llama_index.embeddings.openai", "OpenAIEmbedding"),
    ("llama_index.embeddings.openai_like", "OpenAILikeEmbedding"),
)


def is_served(model: Any) -> bool:
    """Whether an embedding model is one of OpenAI's API, whose class is known."""
    return any(
        (known := loaded(*each)) is not None and class_of(model) is known for each in _REMOTE
    )


def lift_embedding(model: Any, runtime: Home, *, sync: bool) -> QueryEmbedding | str:
    """Lift an embedding model, or say why it is left to run as it is.

    ``sync`` says by which of its methods it is asked.
    """
    from llama_index.core.embeddings import MockEmbedding

    if getattr(saw(model), "rate_limiter", None) is not None:
        return "the embedding model has a rate limiter"
    if getattr(model, "embeddings_cache", None) is not None:
        return "the embedding model has a cache"
    if type(model) is MockEmbedding:
        reason = differs(model, MockEmbedding, *_METHODS, "_get_vector")
        costs_nothing(runtime, _MOCK, EngineKind.EMBEDDING)
        return reason or QueryEmbedding(_MOCK, None, lambda _: _mean_of_one(model._get_vector()))
    for module, name in _REMOTE:
        if (known := loaded(module, name)) is not None and class_of(model) is known:
            return _lift_remote(model, known, runtime, sync=sync)
    if (known := loaded("llama_index.embeddings.ollama", "OllamaEmbedding")) is type(model):
        return _lift_ollama(model, known, runtime, sync=sync)
    known = loaded("llama_index.embeddings.huggingface", "HuggingFaceEmbedding")
    if known is None:
        return f"{type(model).__name__} is not a known embedding model"
    own = ("_aget_query_embedding", "_embed", "_embed_with_retry")
    reason = differs(model, known, *_METHODS, *own) or unfollowed(MODEL_BINDINGS)
    if reason is None and model._parallel_process:
        reason = "the embedding model runs a process pool of its own"
    if reason is not None:
        return reason
    engine = engine_for(model._model, runtime)
    return QueryEmbedding(
        engine,
        partial(_encode, model, engine),
        lambda result: _mean_of_one(result.tolist()[0]),  # type: ignore[attr-defined]
    )


def _encode(model: Any, engine: str, text: str) -> Call:
    """As llama-index-embeddings-huggingface 0.8.0 embeds a query (base.py, _embed_with_retry)."""
    arguments = {
        "batch_size": model.embed_batch_size,
        "prompt_name": "query",
        "normalize_embeddings": model.normalize,
        "show_progress_bar": model.show_progress_bar,
    }
    return embedding_call(engine, model._model, [text], arguments)


def _mean_of_one(vector: list[float]) -> list[float]:
    """The framework averages the embeddings of a query's strings; here there is one."""
    from llama_index.core.base.embeddings.base import mean_agg

    return list(mean_agg([vector]))


# Behind a server.


def _lift_remote(model: Any, known: type, runtime: Home, *, sync: bool) -> QueryEmbedding | str:
    """Lift an ``OpenAIEmbedding`` or ``OpenAILikeEmbedding``."""
    reason = (
        differs(model, known, *_REMOTE_METHODS)
        or unfollowed(HTTP_BINDINGS)
        or _options_differ(model)
        # Hooks and proxies may be put on a client at any time.
        or checked(lambda: client_refusal(model, sync, "embedding model"))
    )
    if reason is not None:
        return reason
    engine = remote_embedding.served_embeddings(runtime, base_url(model, sync), model._query_engine)
    clients = Clients(model)

    def call(text: str) -> Call:
        arguments = _arguments(model, text)
        client = clients.get(sync)
        return remote_embedding.embedding_call(runtime, engine, client, arguments, awaited=not sync)

    return QueryEmbedding(
        engine, call, lambda result: _mean_of_one(remote_embedding.first_vector(result))
    )


def _arguments(model: Any, text: str) -> Mapping[str, Any]:
    """As llama-index-embeddings-openai 0.6 embeds a query (base.py, get_embedding)."""
    text = text.replace("\n", " ")
    return {"input": [text], "model": model._query_engine, **model.additional_kwargs}


def _options_differ(model: Any) -> str | None:
    if not is_sdk_json(saw(model).additional_kwargs):
        return "the embedding model's additional_kwargs are not plain JSON"
    if not model.api_base or not model.api_key:
        return "the embedding model has no api_base or api_key of its own"
    return None


# Of Ollama.


def _lift_ollama(model: Any, known: type, runtime: Home, *, sync: bool) -> QueryEmbedding | str:
    """Lift an ``OllamaEmbedding``."""
    client = model._client if sync else model._async_client
    reason = differs(model, known, *_OLLAMA_METHODS) or unfollowed(HTTP_BINDINGS)
    # Hooks and proxies may be put on a client at any time.
    reason = reason or checked(lambda: ollama.client_differs(saw(client)))
    if reason is None and not is_json(model.ollama_additional_kwargs):
        reason = "the embedding model's ollama_additional_kwargs are not plain JSON"
    if reason is not None:
        return reason
    engine = ollama.served_by_ollama(runtime, client, model.model_name, OLLAMA_EMBED)

    def call(text: str) -> Call:
        """As llama-index-embeddings-ollama 0.10 embeds a query."""
        arguments = {
            "model": model.model_name,
            "input": model._format_query(text),
            "options": model.ollama_additional_kwargs,
            "keep_alive": model.keep_alive,
        }
        return ollama.embedding_call(engine, client, arguments)

    return QueryEmbedding(engine, call, lambda result: _mean_of_one(ollama.first_vector(result)))


_OLLAMA_METHODS: Final = (
    *_METHODS,
    *("aget_agg_embedding_from_queries", "_aget_query_embedding", "_format_query"),
    *("get_general_text_embedding", "aget_general_text_embedding"),
)
