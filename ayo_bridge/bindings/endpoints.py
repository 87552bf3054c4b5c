"""Which HTTP requests are calls of an engine: those to registered endpoints, and all that look so.

What looks so is said by the rows of :mod:`ayo_bridge.engines.dialects`. A lifter registers the
endpoint of a model it has looked at: requests there may be equal to ones made ahead. Whoever else
asks an engine over HTTP under a scope is seen too, so that ``explain`` counts every call.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.engines.dialects import CHAT, COMPLETIONS, DIALECTS
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.embedding_server import SERVERS
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.seam import Dialect, EngineHome, EngineKind, new_lock

_MOST_SEEN: Final = 1024
_BOTH: Final = (True, False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to which requests for an engine are posted.

    ``engine`` is its name where somebody has registered it; else each request names its model.
    ``base_url`` has no credentials in it. ``expected``: requests there may be made ahead.
    """

    dialect: Dialect
    base_url: str
    path: str
    engine: str = ""
    expected: bool = False

    @property
    def kind(self) -> EngineKind:
        """What is served there."""
        return self.dialect.kind

    @property
    def server(self) -> str:
        """``host:port``."""
        return origin(self.base_url)


@dataclass(frozen=True, slots=True)
class Addressed:
    """What a request is, as far as it is noted: an engine's call of so many items."""

    endpoint: Endpoint
    engine: str
    items: int = 1
    models: tuple[bytes, ...] = ()
    """How its model stands in a request, where that names one."""

    @property
    def registered(self) -> bool:
        """Whether it may be equal to a request that was made ahead."""
        return bool(self.endpoint.engine) or self.endpoint.expected


_Found = Addressed | tuple[Endpoint, ...]
"""What is registered at an address, or what a request there may be for: the first that fits."""
_registered: dict[str, _Found] = {}
_seen: dict[Hashable, _Found] = {}
_lock = new_lock()


def register_endpoint(
    base_url: str, engine: str, dialects: Sequence[Dialect] = (CHAT, COMPLETIONS)
) -> None:
    """Have requests to the addresses of these dialects below ``base_url`` looked at.

    ``engine`` is the name of the engine they belong to.
    """
    base = base_url.rstrip("/")
    with _lock:
        for dialect, path in _paths(dialects):
            url = normalised_url(base + path)
            known = _registered.get(url)
            if not isinstance(known, Addressed) or known.engine != engine:
                endpoint = Endpoint(dialect, normalised_url(base), path, engine)
                _registered[url] = Addressed(endpoint, engine, models=_models(endpoint))
                _seen.clear()


def expect_ahead(base_url: str, dialect: Dialect) -> None:
    """Have requests to the addresses of a dialect below ``base_url`` looked at.

    Unlike those to a registered endpoint they name their model themselves.
    """
    base = base_url.rstrip("/")
    with _lock:
        for _, path in _paths((dialect,)):
            endpoint = Endpoint(dialect, normalised_url(base), path, expected=True)
            _registered[normalised_url(base + path)] = (endpoint,)
        _seen.clear()


def unregister_endpoint(base_url: str, dialects: Sequence[Dialect] = (CHAT, COMPLETIONS)) -> None:
    """Let requests to this server be no more than noted again."""
    with _lock:
        for _, path in _paths(dialects):
            _registered.pop(normalised_url(base_url.rstrip("/") + path), None)
        _seen.clear()


def _models(endpoint: Endpoint) -> tuple[bytes, ...]:
    """The model that an engine is named after, as it may stand in a body: nowhere inside of a text,
    where a quotation mark has a backslash before it."""
    if not endpoint.dialect.model:
        return ()
    whole = endpoint.engine.removeprefix(f"{endpoint.kind}:")
    named = (json.dumps(each, ensure_ascii=escape) for each in _names(whole) for escape in _BOTH)
    return tuple(dict.fromkeys(name.encode() for name in named))


def _names(whole: str) -> tuple[str, ...]:
    model, at, _ = whole.rpartition("@")
    return (whole, model) if at else (whole,)


def _paths(dialects: Sequence[Dialect]) -> list[tuple[Dialect, str]]:
    return [(dialect, path) for dialect in dialects for path in dialect.paths]


def addressed(asked: Asked, runtime: EngineHome) -> Addressed | None:
    """The engine that a posted request is for, or ``None``."""
    place = asked.place
    own = runtime.dialects
    key = (place, own) if own and place is not None else place
    try:
        found = _seen[key]
    except KeyError:
        found = _looked_up(asked.url, key, own)
    if isinstance(found, Addressed):
        found = _of_model(found, asked, runtime)
        # Perhaps another runtime has registered it.
        _know(runtime, found.engine, found.endpoint)
        return found
    return _named(found, asked, _fields(asked), runtime) if found else None


def _of_model(found: Addressed, asked: Asked, runtime: EngineHome) -> Addressed:
    """The engine that a request is for: its server may serve other models beside that of ``found``,
    which was registered last."""
    content = asked.content
    if content is None or not found.models or any(model in content for model in found.models):
        return found
    body = _fields(asked)
    if found.endpoint.dialect.model not in body:
        return found
    return _named((found.endpoint,), asked, body, runtime) or found


def _looked_up(url: str, key: Hashable, own: Sequence[Dialect]) -> _Found:
    address = normalised_url(url).partition("?")[0]
    with _lock:
        found = _registered.get(address) or _like_an_engine(address, (*own, *DIALECTS))
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        if key is not None:
            _seen[key] = found
    return found


def _like_an_engine(address: str, dialects: Sequence[Dialect]) -> tuple[Endpoint, ...]:
    server = origin(address)
    return tuple(
        Endpoint(dialect, address.removesuffix(path), path)
        for dialect in dialects
        if (path := dialect.path_of(address, server)) is not None
    )


def _named(
    endpoints: Sequence[Endpoint], asked: Asked, body: Mapping[str, Any], runtime: EngineHome
) -> Addressed | None:
    """Name the engine of an endpoint by what a request says, as lifters name theirs."""
    for endpoint in endpoints:
        dialect = endpoint.dialect
        if not all(name in body for name in dialect.fields) or not _sent_by(asked, dialect):
            continue
        model = body.get(dialect.model) if dialect.model else dialect.name
        if not isinstance(model, str):
            if dialect.model_needed:  # Many a service has such a path.
                continue
            model = "unknown model"
        name = f"{dialect.kind}:{model}@{urlsplit(endpoint.base_url).netloc}"
        _know(runtime, name, endpoint)
        return Addressed(endpoint, name, dialect.items(body))
    return None


def _sent_by(asked: Asked, dialect: Dialect) -> bool:
    return not dialect.agent or asked.agent().startswith(dialect.agent)


def _know(runtime: EngineHome, name: str, endpoint: Endpoint) -> None:
    if not runtime.knows(name):
        runtime.register(SERVERS[endpoint.kind](name, endpoint.base_url))


def _fields(asked: Asked) -> dict[str, Any]:
    content = asked.content
    try:
        fields = None if content is None else json.loads(content)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
