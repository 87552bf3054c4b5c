"""An OpenAI-compatible server (vLLM, or any other) as the LLM of native workflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ayo_bridge.engines.openai_http import (
    Delivery,
    LLMRequest,
    OpenAIServer,
    make_warm,
    prove,
)
from ayo_bridge.engines.openai_http.errors import StatusError
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits, Routes
from ayo_bridge.workflow.requests import Generate

_HEADERS: Headers = (
    (b"accept-encoding", b"gzip, deflate"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
)
_SHOWN = 500
"""Characters of a refusal that stand in the error."""


class LLMServerError(AyoBridgeError):
    """A server has refused a request; ``status`` is the HTTP status, ``answer`` what it said."""

    def __init__(self, url: str, status: int, answer: str) -> None:
        super().__init__(f"{url} answered {status}: {answer[:_SHOWN]}")
        self.status = status
        self.answer = answer


class ServedLLM(AsyncEngine):
    """Serves :class:`Generate` payloads; an :class:`~ayo_bridge.engines.AsyncEngine`.

    A prompt is sent as text to ``/completions``, or as a user's message to ``/chat/completions``.
    Cancelling closes the connection, on which vLLM aborts the request.

    Args:
        name: the engine's name, as components refer to it.
        base_url: what the SDKs call so, e.g. ``http://127.0.0.1:8000/v1``.
        model: the name that the server serves it by.
        chat: whether prompts are messages: what instruction-tuned models are made for.
        api_key: sent as a bearer token, if given.
        options: fields of every request but prefix warms, under those of the request itself, e.g.
            ``{"seed": 1}``. The temperature is 0 unless one says otherwise.
        caches_prefixes: whether the server keeps prefixes in a cache, so that warms are of use.
            ``None`` leaves it to :meth:`probe`; until then it counts as no.
        timeout: seconds until a server that sends nothing has failed; ``None`` waits forever.
    """

    kind = EngineKind.LLM
    streams = True

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str,
        *,
        chat: bool = False,
        api_key: str | None = None,
        options: Mapping[str, object] | None = None,
        caches_prefixes: bool | None = None,
        timeout: float | None = 600.0,
    ) -> None:
        self.name = name
        self.model = model
        self.limits = Limits(continuous=True)
        # Named as adapters name it: by that the replicas are found which are declared of it.
        self._server = OpenAIServer(f"{self.kind}:{model}", base_url)
        self.asked_as = self._server.name
        self.server = self._server.server
        self._url = f"{base_url.rstrip('/')}/{'chat/' if chat else ''}completions"
        self._chat = chat
        self._headers = _HEADERS
        if api_key is not None:
            self._headers += ((b"authorization", f"Bearer {api_key}".encode()),)
        self._options = {"temperature": 0.0, **(options or {})}
        self._told = caches_prefixes is not None
        self.caches_prefixes = bool(caches_prefixes)
        self._timeout = timeout

    async def probe(self) -> None:
        """Find out whether the server is a vLLM, which keeps prefixes in a cache.

        Raises:
            TransportError: the server was not reached.
        """
        await prove(self._server, self._request(Generate((), 1)))
        if not self._told:
            self.caches_prefixes = self._server.caches_prefixes

    async def serve(self, call: Call) -> str:
        """The text that the server answers; of a prefix warm it does not matter.

        Raises:
            LLMServerError: the server refuses the request.
            TransportError: it was not reached, or broke off.
        """
        asked = call.payload
        if not isinstance(asked, Generate):
            raise TypeError(f"{self.name!r} serves Generate, not {type(asked).__name__}")
        request = self._request(asked)
        payload = make_warm(self.name, request).payload if call.warm else request
        sent = replace(call, payload=payload)
        try:
            reply = await self._server.serve(sent)
        except StatusError as error:
            raise LLMServerError(self._url, error.status, error.answer) from error
        try:
            async for _ in reply.body:  # A stream is still arriving, and its text told as it does.
                pass
            return reply.text()
        finally:
            reply.abandon()

    @property
    def routes(self) -> Routes | None:
        """The replicas to which its requests go."""
        return self._server.routes

    @routes.setter
    def routes(self, routes: Routes | None) -> None:
        self._server.routes = routes

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    def after_fork(self) -> None:
        """Drop connections that a forked child shares with its parent, without closing them."""
        self._server.after_fork()

    def _request(self, asked: Generate) -> LLMRequest:
        body: dict[str, Any] = {"model": self.model}
        if self._chat:
            body["messages"] = [{"role": "user", "content": asked.text}]
        else:
            body["prompt"] = asked.text
        body |= {"max_tokens": asked.max_tokens, **self._options, **dict(asked.options)}
        request = LLMRequest(self._url, self._headers, body, self._timeout, self._timeout)
        if asked.on_text is None:
            return request
        return replace(
            request,
            body={**body, "stream": True},
            delivery=Delivery.REPLAY_STREAM,
            on_text=asked.on_text,
        )
