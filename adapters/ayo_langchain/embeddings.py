"""Embedding models of LangChain: which request a query text is, without calling them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings import token_arrays
from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_bridge.engines.dialects import OLLAMA_EMBED
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.lift import ollama, remote_embedding
from ayo_bridge.lift.llm import is_sdk_json
from ayo_bridge.lift.makers import QueryEmbedding
from ayo_bridge.lift.recognise import is_a, loaded
from ayo_bridge.lift.witness import checked, saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_langchain.known import differs
from ayo_langchain.llms import resource_differs

_REMOTE_METHODS: Final = (
    *("embed_query", "aembed_query", "embed_documents", "aembed_documents"),
    *("_get_len_safe_embeddings", "_aget_len_safe_embeddings", "_tokenize"),
    *("_invocation_params", "_ensure_sync_client_available"),
)


def engine_of(model: Any, runtime: Home) -> str | None:
    """The name of an embedding model's engine; ``None``: it is not known."""
    if _is_sentence_transformer(model):
        return engine_for(model._client, runtime)
    if _is_remote(model):
        client = getattr(model.client or model.async_client, "_client", None)
        if client is not None:
            base_url = str(client.base_url)
            return remote_embedding.served_embeddings(runtime, base_url, model.model)
    if _is_ollama(model) and model._client is not None:
        return ollama.served_by_ollama(runtime, model._client, model.model, OLLAMA_EMBED)
    return None


def clients_of(model: Any) -> tuple[Any, ...]:
    """The clients by which a model behind a server asks."""
    if not _is_remote(model) or _remote_differs(model) is not None:
        return ()
    return model.client._client, model.async_client._client


def embedding_differs(model: Any) -> str | None:
    """Why nothing is embedded early, or ``None``."""
    if _is_remote(model):
        return _remote_differs(model)
    if _is_ollama(model):
        return _ollama_differs(model)
    known = loaded("langchain_huggingface", "HuggingFaceEmbeddings")
    reason = differs(model, known, "embed_query", "aembed_query", "_embed")
    if reason is None and model.multi_process:
        reason = "the embedding model runs a process pool of its own"
    return reason or unfollowed(MODEL_BINDINGS)


def query_embedding(model: Any, engine: str, runtime: Home, *, sync: bool) -> QueryEmbedding:
    """How a model embeds a query; ``sync`` says by which of its methods."""
    if _is_remote(model):
        return QueryEmbedding(
            engine,
            partial(_created, model, engine, runtime, sync),
            remote_embedding.first_vector,
        )
    if _is_ollama(model):
        return QueryEmbedding(engine, partial(_asked_ollama, model, engine, sync), _first_of_ollama)
    return QueryEmbedding(
        engine,
        partial(_encode, model, engine),
        lambda result: result.tolist()[0],  # type: ignore[attr-defined]
    )


# Of this process.


def _is_sentence_transformer(model: Any) -> bool:
    return is_a(saw(model), "langchain_huggingface", "HuggingFaceEmbeddings")


def _encode(model: Any, engine: str, text: str) -> Call:
    """As langchain-huggingface 1.2.3 embeds a query (embeddings/huggingface.py, _embed)."""
    arguments = model.query_encode_kwargs or model.encode_kwargs
    return embedding_call(
        engine,
        model._client,
        [text.replace("\n", " ")],
        {"show_progress_bar": model.show_progress, **arguments},
    )


# Behind a server.


def _is_remote(model: Any) -> bool:
    return is_a(saw(model), "langchain_openai", "OpenAIEmbeddings")


def _remote_differs(model: Any) -> str | None:
    """Why requests of this ``OpenAIEmbeddings`` are not made ahead."""
    reason = differs(model, loaded("langchain_openai", "OpenAIEmbeddings"), *_REMOTE_METHODS)
    if reason is not None:
        return reason
    if model.check_embedding_ctx_length and not model.tiktoken_enabled:
        return "the embedding model loads its own tokenizer for each text"
    if model.allowed_special is not None or model.disallowed_special is not None:
        return "the embedding model says how special tokens are encoded"
    if not is_sdk_json(model._invocation_params):
        return "the embedding model's parameters are not plain JSON"
    return (
        unfollowed(HTTP_BINDINGS)
        or resource_differs(model.client, _MODULE, "Embeddings")
        or resource_differs(model.async_client, _MODULE, "AsyncEmbeddings")
    )


_MODULE: Final = "openai.resources.embeddings"


def _created(model: Any, engine: str, runtime: Home, sync: bool, text: str) -> Call:
    resource = model.client if sync else model.async_client
    return remote_embedding.embedding_call(
        runtime, engine, resource._client, _arguments(model, text), awaited=not sync
    )


def _arguments(model: Any, text: str) -> Mapping[str, Any]:
    """As langchain-openai 1.7 embeds a query (embeddings/base.py, _get_len_safe_embeddings).

    Raises:
        ValueError: it is empty, so long that it is cut, or has to be encoded as nobody has yet.
    """
    if not model.check_embedding_ctx_length:
        return {"input": [text], **model._invocation_params}
    encoding = token_arrays.encoding_of(model.tiktoken_model_name or model.model)
    if not encoding:
        raise ValueError("the encoding of the embedding model is not loaded yet")
    if model.model.endswith("001"):
        text = text.replace("\n", " ")
    tokens = token_arrays.encoded(encoding, [text])
    if not 0 < len(tokens[0]) <= model.embedding_ctx_length:
        raise ValueError("the text is empty, or longer than the embedding model takes at once")
    return {"input": tokens, **model._invocation_params}


# Of Ollama.


_OLLAMA_METHODS: Final = (
    *("embed_query", "aembed_query", "embed_documents", "aembed_documents", "_default_params"),
)


def _is_ollama(model: Any) -> bool:
    return is_a(saw(model), "langchain_ollama", "OllamaEmbeddings")


def _ollama_differs(model: Any) -> str | None:
    """Why requests of this ``OllamaEmbeddings`` are not made ahead."""
    reason = differs(model, loaded("langchain_ollama", "OllamaEmbeddings"), *_OLLAMA_METHODS)
    # Hooks and proxies may be put on a client at any time.
    clients = (model._client, model._async_client)
    return (
        reason
        or unfollowed(HTTP_BINDINGS)
        or checked(lambda: next(filter(None, map(ollama.client_differs, clients)), None))
    )


def _asked_ollama(model: Any, engine: str, sync: bool, text: str) -> Call:
    """As langchain-ollama 1.1 embeds a query (embeddings.py, embed_documents)."""
    arguments = {
        "model": model.model,
        "input": [text],
        "dimensions": model.dimensions,
        "options": model._default_params,
        "keep_alive": model.keep_alive,
    }
    client = model._client if sync else model._async_client
    return ollama.embedding_call(engine, client, arguments)


_first_of_ollama = ollama.first_vector
