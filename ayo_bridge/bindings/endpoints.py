"""Which HTTP requests are calls of an engine: those to registered endpoints, and all that look so.

A lifter registers the endpoint of a model it has looked at: requests there may be equal to ones
made ahead. Whoever else asks a model over HTTP under a scope is seen too, by the path and body that
OpenAI-compatible servers share, so that ``explain`` counts every call; nothing runs ahead there.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.embedding_server import EmbeddingServer
from ayo_bridge.engines.openai_http.engine import OpenAIServer
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.seam import EngineHome, EngineKind, new_lock

_MOST_SEEN: Final = 1024
_COMPLETIONS: Final = ("/chat/completions", "/completions")
_LIKE_ENGINES: Final = (
    *((path, EngineKind.LLM) for path in (*_COMPLETIONS, "/responses")),
    ("/embeddings", EngineKind.EMBEDDING),
)
"""The first that fits decides."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to which requests for an engine are posted.

    ``engine`` is its name where somebody has registered it; else each request names its model.
    ``base_url`` has no credentials in it.
    """

    kind: EngineKind
    base_url: str
    path: str
    engine: str = ""

    @property
    def server(self) -> str:
        """``host:port``."""
        return origin(self.base_url)

    @property
    def completes(self) -> bool:
        """Whether replies have the form of completions: we can count their tokens."""
        return self.path in _COMPLETIONS


@dataclass(frozen=True, slots=True)
class Addressed:
    """What a request is, as far as it is noted: an engine's call of so many items."""

    endpoint: Endpoint
    engine: str
    items: int = 1

    @property
    def registered(self) -> bool:
        """Whether it may be equal to a request that was made ahead."""
        return bool(self.endpoint.engine)


_registered: dict[str, Addressed] = {}
_seen: dict[Hashable, Addressed | Endpoint | None] = {}
_lock = new_lock()


def register_endpoint(base_url: str, engine: str) -> None:
    """Have requests to ``{base_url}/chat/completions`` and ``/completions`` looked at.

    ``engine`` is the name of the engine they belong to.
    """
    base = base_url.rstrip("/")
    with _lock:
        for path in _COMPLETIONS:
            url = normalised_url(base + path)
            known = _registered.get(url)
            if known is None or known.engine != engine:
                endpoint = Endpoint(EngineKind.LLM, normalised_url(base), path, engine)
                _registered[url] = Addressed(endpoint, engine)
                _seen.clear()


def unregister_endpoint(base_url: str) -> None:
    """Let requests to this server be no more than noted again."""
    with _lock:
        for path in _COMPLETIONS:
            _registered.pop(normalised_url(base_url.rstrip("/") + path), None)
        _seen.clear()


def addressed(request: Any, runtime: EngineHome) -> Addressed | None:
    """The engine that an httpx or httpx2 request is for, or ``None``."""
    if request.method != "POST":
        return None
    url = request.url
    # Its parts, a tuple, are looked up in a tenth of the time that putting them together takes.
    parts = getattr(url, "_uri_reference", None)
    try:
        found = _seen[parts]
    except KeyError:
        found = _looked_up(str(url), parts)
    if isinstance(found, Endpoint):
        return _named(found, request, runtime)
    if found is not None:
        _know(runtime, found.engine, found.endpoint)  # Perhaps another runtime has registered it.
    return found


def _looked_up(url: str, parts: Hashable) -> Addressed | Endpoint | None:
    address = normalised_url(url).partition("?")[0]
    with _lock:
        found = _registered.get(address) or _like_an_engine(address)
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        if parts is not None:
            _seen[parts] = found
    return found


def _like_an_engine(address: str) -> Endpoint | None:
    for path, kind in _LIKE_ENGINES:
        if address.endswith(path):
            return Endpoint(kind, address.removesuffix(path), path)
    return None


def _named(endpoint: Endpoint, request: Any, runtime: EngineHome) -> Addressed | None:
    """Name the engine of an endpoint that nobody has registered, as lifters name theirs."""
    body = _fields(request)
    model = body.get("model")
    if not isinstance(model, str):
        if not endpoint.completes:  # Many a service has such a path.
            return None
        model = "unknown model"
    name = f"{endpoint.kind}:{model}@{urlsplit(endpoint.base_url).netloc}"
    _know(runtime, name, endpoint)
    return Addressed(endpoint, name, _items(body) if endpoint.kind is EngineKind.EMBEDDING else 1)


def _know(runtime: EngineHome, name: str, endpoint: Endpoint) -> None:
    if not runtime.knows(name):
        server = OpenAIServer if endpoint.kind is EngineKind.LLM else EmbeddingServer
        runtime.register(server(name, endpoint.base_url))


def _fields(request: Any) -> dict[str, Any]:
    content = getattr(request, "_content", None)  # ``content`` raises for a body that streams.
    try:
        fields = json.loads(content) if isinstance(content, bytes) else None
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _items(body: dict[str, Any]) -> int:
    """How many texts are to be embedded: one text is a string, or a list of its tokens."""
    texts = body.get("input")
    if isinstance(texts, list) and texts and not isinstance(texts[0], int):
        return len(texts)
    return 1
