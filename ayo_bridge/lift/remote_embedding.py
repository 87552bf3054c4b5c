"""Embeddings behind OpenAI-compatible servers, made for frameworks' embedding objects.

They are not fused: the server batches by itself, and other requests would leave. Each is made ahead
as the client would send it, and equal ones are one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.bindings.async_library import seeing
from ayo_bridge.bindings.endpoints import expect_ahead
from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.bindings.openai_sdk import OPTIONS, Form, build, embedding_body
from ayo_bridge.engines.dialects import EMBEDDINGS
from ayo_bridge.engines.openai_http import LLMRequest, make_call
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.embedding_server import EmbeddingServer, vectors_of
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call

_CREATED: Final = Form("/embeddings")


def served_embeddings(runtime: Home, base_url: str, model: str) -> str:
    """The engine of an embedding model on a server; its calls may be made ahead from now on."""
    # In the normal form there are no credentials.
    engine = f"embedding:{model}@{urlsplit(normalised_url(base_url.rstrip('/'))).netloc}"
    if not runtime.knows(engine):
        runtime.register(EmbeddingServer(engine, base_url))
    if runtime.first(("endpoint", base_url, EMBEDDINGS.name)):
        expect_ahead(base_url, EMBEDDINGS)
    return engine


def embedding_call(
    runtime: Home, engine: str, client: Any, arguments: Mapping[str, Any], *, awaited: bool
) -> Call:
    """The call that ``client.embeddings.create(**arguments)`` makes.

    ``awaited``: whether that is awaited, on asyncio.

    Raises:
        CannotBuildError: it cannot be made ahead exactly so.
    """
    options = {name: arguments[name] for name in OPTIONS if name in arguments}
    given = {**embedding_body(client, arguments), **options}
    request = seeing("asyncio" if awaited else None, _built)(client, given)
    if origin(request.url) != runtime.scheduler(engine).engine.server:
        raise CannotBuildError("its client sends to another server than the model says")
    texts = arguments["input"]
    items = len(texts) if isinstance(texts, list) else 1
    return replace(make_call(engine, request), items=items, deterministic=True)


def _built(client: Any, given: Mapping[str, Any]) -> LLMRequest:
    return build(client, _CREATED, given, keep_order=True)


def first_vector(result: object) -> list[float]:
    """The vector of the one text that was embedded, as the SDK gives it."""
    return list(vectors_of(result)[0])  # type: ignore[arg-type]


Arguments = Callable[[str], Mapping[str, Any]]
"""What a model calls ``embeddings.create`` with, for one text.

Raises ValueError where it embeds that otherwise.
"""
