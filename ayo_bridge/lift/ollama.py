"""Requests of Ollama's own clients, made for frameworks' models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.bindings.endpoints import expect_ahead
from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.engines.dialects import OLLAMA_CHAT, OLLAMA_EMBED
from ayo_bridge.engines.openai_http import Delivery, LLMRequest
from ayo_bridge.engines.openai_http.embedding_server import SERVERS
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.engines.openai_http.said import answer_by
from ayo_bridge.lift.llm import posted
from ayo_bridge.lift.recognise import PLAIN, loaded
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call, Dialect

_OWN: Final = ("chat", "embed", "_request", "_request_raw")


class _Written:
    """In the place of a client: its methods write requests, and here they are returned."""

    @staticmethod
    def _request(_: type, method: str, path: str, *, json: Any, stream: bool = False) -> Any:
        return path, json


def served_by_ollama(runtime: Home, client: Any, model: str, dialect: Dialect) -> str:
    """The engine of a model; its calls in this dialect may be made ahead from now on."""
    base_url = str(client._client.base_url)
    engine = f"{dialect.kind}:{model}@{urlsplit(normalised_url(base_url)).netloc}"
    if not runtime.knows(engine):
        server = SERVERS[dialect.kind](engine, base_url)
        # Its chats are streams for who wants whole answers, too, so that nothing is rebuilt.
        server.streams = dialect is OLLAMA_CHAT
        runtime.register(server)
    if runtime.first(("endpoint", base_url, dialect.name)):
        expect_ahead(base_url, dialect)
    return engine


def client_differs(client: Any) -> str | None:
    """Why requests of a client of Ollama are not built ahead; ``None``: they can be."""
    known = [loaded("ollama._client", name) for name in ("Client", "AsyncClient")]
    if type(client) not in known:
        return f"{type(client).__name__} is not a plain client of Ollama"
    reason = PLAIN.overridden(client, *_OWN)
    way = way_of(client._client, str(client._client.base_url))
    return reason or (way if isinstance(way, str) else None)


def embedding_call(engine: str, client: Any, arguments: Mapping[str, Any]) -> Call:
    """The call that ``client.embed(**arguments)`` makes.

    Raises:
        CannotBuildError: it cannot be made ahead exactly so.
    """
    path, body = loaded("ollama._client", "Client").embed(_Written, **arguments)
    call = posted(engine, client._client, path, body)
    return replace(call, items=OLLAMA_EMBED.items(body), deterministic=True)


def chat_call(
    engine: str, client: Any, arguments: Mapping[str, Any], on_text: Callable[[str], None]
) -> Call:
    """The call that ``client.chat(stream=True, **arguments)`` makes; ``on_text`` sees it grow.

    Raises:
        CannotBuildError: it cannot be made ahead exactly so.
        ValueError: its reply is not a stream.
    """
    path, body = loaded("ollama._client", "Client").chat(_Written, **arguments)
    if body.get("stream") is not True:
        raise ValueError("its reply is not a stream")
    call = posted(engine, client._client, path, body)
    assert isinstance(call.payload, LLMRequest)
    streamed = replace(
        call.payload,
        delivery=Delivery.REPLAY_STREAM,
        on_text=on_text,
        piece=OLLAMA_CHAT.piece,
    )
    return replace(call, payload=streamed)


def first_vector(result: object) -> list[float]:
    """The vector of the one text that was embedded.

    Raises:
        ValueError: it is no reply of success.
    """
    return list(answer_by(OLLAMA_EMBED, {}, result).vectors[0])
