"""Requests of LLMs behind OpenAI-compatible servers, made for frameworks' LLM objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ayo_bridge.bindings.openai_http import register_endpoint
from ayo_bridge.engines.openai_http import (
    Delivery,
    LLMRequest,
    OpenAIServer,
    make_call,
    make_warm,
    prove,
)
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call

OnText = Callable[[str], None]


def served_model(runtime: Home, base_url: str, model: str) -> str:
    """The engine of a model on a server, registered once; its calls are seen from now on."""
    # In the normal form there are no credentials.
    engine = f"llm:{model}@{urlsplit(normalised_url(base_url)).netloc}"
    if not runtime.knows(engine):
        runtime.register(OpenAIServer(engine, base_url))
    if runtime.first(("endpoint", base_url, engine)):
        register_endpoint(base_url, engine)
    return engine


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an LLM object sends its requests, and with what.

    Args:
        engine: the name of its engine.
        url: of chat or of completions.
        headers: without those that HTTP demands.
        timeout: seconds, or httpx's mapping of them.
    """

    engine: str
    url: str
    headers: tuple[tuple[str, str], ...]
    timeout: float | Mapping[str, float | None] | None

    def call(self, body: Mapping[str, Any], on_text: OnText | None = None) -> Call:
        """The call with this body; ``on_text`` sees the answer as it grows."""
        return make_call(self.engine, self._request(body, on_text))

    def warm(self, body: Mapping[str, Any], runtime: Home) -> Call:
        """A prefix warm: the body's messages, or prompt, are cut to the prefix."""
        return make_warm(self.engine, self._request(body), priority=runtime.priority)

    def prove(self, body: Mapping[str, Any], runtime: Home) -> None:
        """Have the server probed in the background, once: may its replies be rebuilt?

        Decoding pipelining and prefix warms wait for the result; until then they are refused.
        """
        server = runtime.scheduler(self.engine).engine
        known = ("proof", self.url, self.engine)
        if isinstance(server, OpenAIServer) and runtime.first(known):
            runtime.submit(prove(server, self._request(body)))

    def _request(self, body: Mapping[str, Any], on_text: OnText | None = None) -> LLMRequest:
        delivery = Delivery.PLAIN if on_text is None else Delivery.REBUILD
        return LLMRequest(self.url, self.headers, body, self.timeout, delivery, on_text)


def is_json(parameters: Mapping[str, Any]) -> bool:
    """Whether parameters go into a body as they are."""
    try:
        json.dumps(parameters)
    except (TypeError, ValueError):
        return False
    return True


class LineItems:
    """Items of a list written line by line, each as soon as it can no longer change.

    Args:
        clean: the items of the lines that have ended, as the framework's parser cleans them.
        ended: the lines of an answer so far that nothing of the rest can change.
        limit: of more items the first are taken; ``None`` takes all.
    """

    def __init__(
        self,
        ended: Callable[[str], list[str]],
        clean: Callable[[list[str]], list[str]],
        limit: int | None = None,
    ) -> None:
        self._ended = ended
        self._clean = clean
        self._limit = limit
        self._emitted = 0

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Items that have become certain, with their places; ``text`` is the answer so far."""
        certain = self._clean(self._ended(text))[: self._limit]
        new = list(enumerate(certain))[self._emitted :]
        self._emitted += len(new)
        return new
