"""What the server answers: OpenAI's API in vLLM's dialect, on the emulated engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from ayo_bridge.serving.emulated.batches import Batched, EmulatedBatches
from ayo_bridge.serving.emulated.connection import EVENTS, Exchange, Request
from ayo_bridge.serving.emulated.encoders import (
    check_vectors,
    embeddings,
    query_of,
    ranks,
    texts_of,
)
from ayo_bridge.serving.emulated.engine import EmulatedEngine
from ayo_bridge.serving.emulated.fields import Body, RefusedError, document
from ayo_bridge.serving.emulated.metrics import metrics
from ayo_bridge.serving.emulated.replies import Reply, as_json
from ayo_bridge.serving.emulated.requests import Asked, read, require_model
from ayo_bridge.serving.emulated.settings import batch_profiles
from ayo_bridge.simulate.generation import Generation

_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_BATCHED: Final = {
    "/v1/embeddings": "embedding",
    "/v1/rerank": "reranker",
    "/rerank": "reranker",
}
_STATES: Final = ("/health", "/version", "/v1/models", "/metrics")
_CHAT: Final = {"/v1/chat/completions": True, "/v1/completions": False}


class App:
    """Answers requests. ``late`` tells how many seconds the loop's clock is behind."""

    def __init__(self, engine: EmulatedEngine, late: Callable[[], float]) -> None:
        self._engine = engine
        self._late = late
        settings = engine.settings
        self._batches = {
            kind: _Served(kind, name, settings.label)
            for kind, name in (("embedding", settings.embedding), ("reranker", settings.reranker))
            if name
        }
        self._created = int(time.time())

    def __call__(self, request: Request, exchange: Exchange) -> None:
        """Answer a request, now or as its tokens come."""
        chat = _CHAT.get(request.path)
        batched = self._batches.get(_BATCHED.get(request.path, ""))
        if chat is None and batched is None:
            self._state(request, exchange)
        elif request.method != "POST":
            exchange.reply(405, as_json({"detail": "Method Not Allowed"}))
        else:
            try:
                if batched is not None:
                    batched.answer(document(request.body), exchange)
                    return
                asked = read(self._engine.settings, request.body, chat=bool(chat))
            except RefusedError as error:
                exchange.reply(error.status, as_json({"error": error.fields}))
                return
            _Exchanging(self._engine, asked, exchange)

    def _state(self, request: Request, exchange: Exchange) -> None:
        if request.path not in _STATES:
            exchange.reply(404, as_json({"detail": "Not Found"}))
        elif request.method != "GET":
            exchange.reply(405, as_json({"detail": "Method Not Allowed"}))
        elif request.path == "/health":
            exchange.reply(200, b"")
        elif request.path == "/version":
            exchange.reply(200, as_json({"version": self._engine.settings.label}))
        elif request.path == "/v1/models":
            exchange.reply(200, as_json({"object": "list", "data": self._models()}))
        else:
            exchange.reply(200, metrics(self._engine, self._late()).encode(), _METRICS)

    def _models(self) -> list[dict[str, object]]:
        settings = self._engine.settings
        names = (settings.served_model, settings.embedding, settings.reranker)
        return [self._model(name) for name in names if name]

    def _model(self, name: str) -> dict[str, object]:
        settings = self._engine.settings
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "ayo-bridge emulated",
            "root": settings.label,
            "max_model_len": settings.context,
        }


class _Served:
    """A model that runs batches, and what it answers."""

    def __init__(self, kind: str, name: str, label: str) -> None:
        self._kind, self._name, self._label = kind, name, label
        self._engine = EmulatedBatches(batch_profiles(kind)[name])

    def answer(self, body: Body, exchange: Exchange) -> None:
        """Answer a request when its batch has ended.

        Raises:
            RefusedError: it is not served.
        """
        require_model(body, self._name)
        if self._kind == "embedding":
            check_vectors(body, self._name)
            texts = texts_of(body, "input")
            reply = partial(embeddings, body, texts, self._name, self._label)
        else:
            query, texts = query_of(body), texts_of(body, "documents")
            reply = partial(ranks, body, query, texts, self._name, self._label)
        request = Batched(len(texts), lambda: exchange.reply(200, reply()))
        exchange.on_gone(partial(setattr, request, "gone", True))
        self._engine.add(request)


class _Exchanging:
    """A request for completions under way."""

    def __init__(self, engine: EmulatedEngine, asked: Asked, exchange: Exchange) -> None:
        self._asked = asked
        self._exchange = exchange
        self._reply = Reply(asked, engine.settings.label)
        self._left = len(asked.sequences)
        exchange.on_gone(self._gone)
        self._engine = engine
        self._begun = False
        self._generations: list[Generation] = []
        for sequence in asked.sequences:
            on_token = partial(self._token, sequence.index) if asked.stream else None
            self._generations.append(
                engine.start(sequence, asked.priority, on_token, self._sequence_ended)
            )

    def _token(self, index: int, place: int) -> None:
        if not self._begun:
            self._begun = True
            self._exchange.begin(EVENTS)
            if self._asked.chat:
                for sequence in self._asked.sequences:
                    self._exchange.send(self._reply.opening(sequence.index))
        self._exchange.send(self._reply.token(index, place, self._generations))

    def _sequence_ended(self) -> None:
        self._left -= 1
        if self._left:
            return
        if self._asked.stream:
            self._exchange.send(self._reply.ending(self._generations))
            self._exchange.end()
        else:
            self._exchange.reply(200, self._reply.whole(self._generations))

    def _gone(self) -> None:
        for generation in self._generations:
            self._engine.abort(generation)
