"""Requests of LLMs behind OpenAI-compatible servers, made for frameworks' LLM objects."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.bindings.http_requests import as_sent
from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.bindings.openai_http import register_endpoint
from ayo_bridge.bindings.openai_sdk import Form, build, once_answered
from ayo_bridge.engines.launched import is_launched
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, OpenAIServer, make_call, prove
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.request import marked_warm, normalised_url, warm_body
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


def posted(engine: str, client: Any, url: str, body: Mapping[str, Any]) -> Call:
    """The call that ``client.post(url, json=body)`` makes, of a plain httpx or httpx2 client.

    Raises:
        CannotBuildError: it cannot be made ahead exactly so.
    """
    return make_call(engine, as_sent(client, client.build_request("POST", url, json=body)))


@dataclass(frozen=True, slots=True)
class Served:
    """A model on a server, as an SDK client asks for it.

    Args:
        runtime: where its engine is.
        engine: the name of that.
        client: the client of the OpenAI SDK that is in use.
        form: which of its methods is called.
    """

    runtime: Home
    engine: str
    client: Any
    form: Form

    def call(self, arguments: Mapping[str, Any], on_text: OnText | None = None) -> Call:
        """The call that the method makes with these; ``on_text`` sees the answer as it grows.

        Raises:
            CannotBuildError: it cannot be made ahead exactly so.
        """
        request = self._request(arguments)
        if on_text is not None:
            self.prove(arguments)
            request = replace(request, delivery=Delivery.REBUILD, on_text=on_text)
        return make_call(self.engine, request)

    def warm(self, arguments: Mapping[str, Any]) -> Call:
        """A prefix warm: the messages, or the prompt, are cut to the prefix.

        Raises:
            CannotBuildError: it cannot be made as the client would send it.
        """
        body = {**arguments, **(arguments.get("extra_body") or {})}
        priority = self.runtime.priority or is_launched(str(self.client.base_url))
        how = {k: arguments[k] for k in ("extra_headers", "extra_query") if k in arguments}
        request = self._request({**warm_body(body, priority=priority), **how})
        return marked_warm(self.engine, request)

    def prove(self, arguments: Mapping[str, Any]) -> None:
        """Have the server probed in the background, once: may its replies be rebuilt?

        That is once the original has had a reply by this client: who asks nothing by it, or is to
        have a session first, is not asked for. Decoding pipelining and prefix warms wait for the
        result; until then they are refused.
        """
        # The client is to be collected in spite of this.
        found = weakref.ref(self.client)
        runtime, engine, form = self.runtime, self.engine, self.form

        def prove() -> None:
            client = found()
            if client is not None:
                served = Served(runtime, engine, client, form)
                prove_once(runtime, engine, served._request(arguments))

        if self.runtime.first(("to prove", self.engine, self.form, found)):
            once_answered(self.client, prove)

    def _request(self, arguments: Mapping[str, Any]) -> LLMRequest:
        request = build(self.client, self.form, arguments)
        if origin(request.url) != self.runtime.scheduler(self.engine).engine.server:
            raise CannotBuildError("its client sends to another server than the model says")
        return request


def prove_once(runtime: Home, engine: str, request: LLMRequest) -> None:
    """Have the server asked in the background, once for each who asks it: may replies be rebuilt?

    ``request`` is one to the endpoint in question, by whom it would be sent. A client may have its
    first reply long after a runtime was closed that wanted to know: then nobody does any more.
    """
    if runtime.closed:
        return
    server = runtime.scheduler(engine).engine
    known = ("proof", request.url, engine, request.credential)
    if isinstance(server, OpenAIServer) and runtime.first(known):
        runtime.submit(prove(server, request, runtime.load(server.server)))


_NO_BODY: Final = ("extra_headers", "extra_query", "timeout")
"""Arguments of the OpenAI SDK that are no part of a body."""


def is_sdk_json(arguments: Mapping[str, Any]) -> bool:
    """Whether what the OpenAI SDK is called with goes into a body as it is."""
    return is_json({name: each for name, each in arguments.items() if name not in _NO_BODY})


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
