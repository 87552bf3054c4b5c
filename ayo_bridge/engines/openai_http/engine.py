"""An OpenAI-compatible server as an engine: our own connections, on the runtime's loop."""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Callable, Coroutine, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.connections import Connections, Stream
from ayo_bridge.engines.openai_http.errors import StatusError
from ayo_bridge.engines.openai_http.lines import LINES, follow_lines
from ayo_bridge.engines.openai_http.rebuild import (
    Assembler,
    CannotRebuildError,
    answer_of,
    refusal,
)
from ayo_bridge.engines.openai_http.reply import (
    Body,
    RawHeaders,
    Reply,
    ReplyAbandonedError,
    UnreadableReplyError,
    decoder,
)
from ayo_bridge.engines.openai_http.request import (
    Delivery,
    Headers,
    LLMRequest,
    normalised_url,
)
from ayo_bridge.engines.openai_http.sent import sent, told
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.engines.openai_http.tls import tls_context
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits, entered

_logger = logging.getLogger(__name__)

STREAM_FIELDS: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

OnChunk = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Proof:
    """What one pair of probes has shown: may plain replies be rebuilt from streams?

    ``skeleton`` and ``headers`` are those of the plain reply; ``streamed`` names the headers of
    the streamed one.
    """

    proven: bool
    reason: str
    skeleton: Mapping[str, Any] | None = None
    headers: RawHeaders = ()
    streamed: frozenset[bytes] = frozenset()


class OpenAIServer(AsyncEngine):
    """Serves :class:`LLMRequest` payloads; an :class:`~ayo_bridge.seam.engine.AsyncEngine`.

    The server batches by itself, so nothing is held back here. Requests are sent as they are given,
    the way they say: nothing but the headers that HTTP demands is added, no redirect followed.

    Args:
        name: the engine's name, as calls and graphs refer to it.
        base_url: what the SDKs call so, e.g. ``http://127.0.0.1:8000/v1``.
    """

    kind = EngineKind.LLM

    def __init__(self, name: str, base_url: str) -> None:
        self.name = name
        self.base_url = base_url
        self.server = origin(base_url)
        self.limits = Limits(continuous=True)
        self._proofs: dict[Hashable, Proof] = {}
        self.streams = False
        """Whether some plain reply of this server was proven to be rebuilt from a stream."""
        self.caches_prefixes = False
        """Whether the server is a vLLM, as far as probes have shown.

        Only vLLM has ``kv_transfer_params`` in its replies (0.32, also where it is null), takes
        ``continue_final_message``, and keeps prefixes in its cache unless told not to."""
        self._forget()

    def _forget(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: Connections | None = None
        self._recording: set[asyncio.Task[None]] = set()
        self._probing: dict[Hashable, asyncio.Task[Proof]] = {}

    def after_fork(self) -> None:
        """Drop connections that a forked child shares with its parent, without closing them."""
        self._forget()

    async def aclose(self) -> None:
        """Close the connections; streams that are still arriving break off."""
        recording, connections = list(self._recording), self._connections
        self._forget()
        for task in recording:
            task.cancel()
        await asyncio.gather(*recording, return_exceptions=True)
        if connections is not None:
            await connections.aclose()

    # Rebuilding.

    def proof(self, request: LLMRequest) -> Proof | None:
        """What is known about rebuilding this request's reply; ``None`` before it was probed."""
        return self._proofs.get(_proof_key(request))

    def can_rebuild(self, request: LLMRequest) -> bool | None:
        """Whether the reply to this request can be rebuilt; ``None``: not probed yet."""
        if refusal(request.fields()) is not None:
            return False
        proof = self.proof(request)
        return None if proof is None else proof.proven

    async def learn(
        self, request: LLMRequest, probe: Callable[[], Coroutine[Any, Any, Proof]]
    ) -> Proof:
        """The proof for a request: what is known, what is being asked, or else asked now.

        Raises:
            TransportError: the server was not reached; nothing is known then.
        """
        key = _proof_key(request)
        if key in self._proofs:
            return self._proofs[key]
        task = self._probing.get(key)
        if task is None:
            task = self._probing[key] = asyncio.create_task(probe())
            task.add_done_callback(lambda _: self._probing.pop(key, None))
        proof = self._proofs[key] = await asyncio.shield(task)
        self.streams = self.streams or proof.proven
        fields = proof.skeleton or ()
        self.caches_prefixes = self.caches_prefixes or "kv_transfer_params" in fields
        return proof

    def _disprove(self, request: LLMRequest, error: CannotRebuildError) -> None:
        """The server streams otherwise than its probe did: each such reply costs a call."""
        key = _proof_key(request)
        self._proofs[key] = replace(self._proofs[key], proven=False, reason=str(error))
        self.streams = any(proof.proven for proof in self._proofs.values())

    # Serving.

    async def serve(self, call: Call) -> Reply:
        """Send the request and record the reply.

        A plain or rebuilt reply is complete; a replayed stream is returned once its headers are
        there and goes on arriving. Cancelling closes the connection, on which vLLM aborts the
        request.

        Raises:
            StatusError: the reply is not one of success (2xx).
            TransportError: the server was not reached, or broke off.
            CannotRebuildError: the stream was not what the probe had shown.
        """
        request = call.payload
        if not isinstance(request, LLMRequest):
            raise TypeError(f"{self.name} takes LLMRequest payloads, not {type(request).__name__}")
        if call.foreseen is not None:
            request = replace(request, foreseen=call.foreseen)
        with entered(None):  # Ours is not a request of the scope it runs for.
            if request.delivery is Delivery.REPLAY_STREAM:
                return await self._replay(request)
            if request.delivery is Delivery.REBUILD and self.can_rebuild(request):
                try:
                    return await self._rebuild(request)
                except CannotRebuildError as error:
                    self._disprove(request, error)
                    raise
            return await self._plain(request)

    async def _plain(self, request: LLMRequest) -> Reply:
        reply, stream = await self.open(request)
        await pump(reply.body, stream)
        _succeeded(reply)
        if request.on_text is not None:
            try:
                text = answer_of(reply.json())
                if text is not None:
                    request.on_text(text)
            except UnreadableReplyError:
                pass  # Its reader asked for an encoding that only he can read.
            except Exception:
                _logger.exception("following the answer of %s failed", self.name)
        return reply

    async def _replay(self, request: LLMRequest) -> Reply:
        reply, stream = await self.open(request)
        if not reply.ok:
            await pump(reply.body, stream)
            _succeeded(reply)
        follow = _follow(request, reply, Assembler()) if request.on_text is not None else None
        task = asyncio.create_task(_record(reply.body, stream, follow))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)
        loop = asyncio.get_running_loop()

        def abandon() -> None:
            with suppress(RuntimeError):  # The loop is closed, and the connection with it.
                loop.call_soon_threadsafe(task.cancel)

        reply.on_abandon(abandon)
        return reply

    async def _rebuild(self, request: LLMRequest) -> Reply:
        body = request.fields()
        proof = self.proof(request)
        assert proof is not None
        assert proof.skeleton is not None
        reply, stream = await self.open(request, {**body, **STREAM_FIELDS}, encoding="identity")
        assembler = Assembler()
        follow = _follow(request, reply, assembler)
        await pump(reply.body, stream, follow)
        _succeeded(reply)
        if follow is None:
            raise CannotRebuildError("the server did not send an event stream")
        plain = assembler.build(proof.skeleton)
        if body.get("logprobs") not in (None, False) and plain["choices"][0]["logprobs"] is None:
            raise CannotRebuildError("the stream has no log probabilities")
        content = to_json(plain)
        rebuilt = Body((content,), ended=True)
        rebuilt.started, rebuilt.last = reply.body.started, reply.body.last
        headers = _plain_headers(proof, reply.headers, len(content))
        return Reply(
            reply.status, headers, rebuilt, reason=reply.reason, http_version=reply.http_version
        )

    async def open(
        self,
        request: LLMRequest,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        encoding: str | None = None,
    ) -> tuple[Reply, Stream]:
        """Send a request; returns once the headers are there.

        The reply's body is still empty: :func:`pump` fills it from the stream.
        """
        body = request.body if body is None else body
        content = body if isinstance(body, bytes) else to_json(body)
        filled = Body()
        headers = _sent_headers(request.headers, len(content), encoding)
        response, sending = await sent(
            self._own(), request, headers, content, self.routes, self.server
        )
        reply = Reply(
            response.status,
            response.headers,
            filled,
            reason=response.reason,
            http_version=response.version,
        )
        reply.asked = request.asked
        if sending is not None:
            told(sending, response.status, response.headers, filled)
        return reply, response.stream

    def _own(self) -> Connections:
        loop = asyncio.get_running_loop()
        if self._connections is None or self._loop is not loop:
            self._loop = loop
            self._connections = Connections(tls_context)
        return self._connections


async def pump(body: Body, stream: Stream, on_chunk: OnChunk | None = None) -> None:
    """Read a reply to its end into ``body``; the connection is free, or closed, afterwards."""
    try:
        async for chunk in stream:
            body.write(chunk)
            if on_chunk is not None:
                try:
                    on_chunk(chunk)
                except Exception:  # Work ahead of the original never costs it its reply.
                    _logger.exception("following an answer failed")
                    on_chunk = None
    except Exception as error:
        body.end(error)
        raise
    except BaseException:
        body.end(ReplyAbandonedError("the reply was abandoned before its end"))
        raise
    finally:
        await stream.aclose()
    body.end()


async def _record(body: Body, stream: Stream, follow: OnChunk | None) -> None:
    with suppress(Exception):  # It is kept in the body, for whoever reads it.
        await pump(body, stream, follow)


def _succeeded(reply: Reply) -> None:
    """Raise what a complete reply says, unless it says that the request has succeeded."""
    if reply.ok:
        return
    try:
        answer = reply.decoded().decode("utf-8", "replace")
    except (UnreadableReplyError, zlib.error):
        answer = ""
    raise StatusError(reply.status, answer)


def _follow(request: LLMRequest, reply: Reply, assembler: Assembler) -> OnChunk | None:
    """What follows an event stream and tells ``on_text``; ``None`` if it cannot be read."""
    return follow_text(reply.headers, request.on_text, assembler, request.piece)


def follow_text(
    headers: RawHeaders,
    told: Callable[[str], None] | None,
    assembler: Assembler,
    piece: Callable[[Any], str] | None = None,
) -> OnChunk | None:
    """What follows the bytes of a stream and tells the answer so far, as it grows.

    ``piece`` is the text that a document adds where they are JSON by lines. ``None`` if the reply
    that begins with these headers is no such stream, or cannot be read.
    """
    values = {name.lower(): value for name, value in headers}
    decode = decoder(values.get(b"content-encoding"))
    content_type = values.get(b"content-type", b"")
    if decode is not None and piece is not None and content_type.startswith(LINES):
        return follow_lines(decode, piece, told)
    if decode is None or not content_type.startswith(b"text/event-stream"):
        return None
    events = EventParser()

    def on_chunk(chunk: bytes) -> None:
        grown = False
        for data in events.feed(decode(chunk)):
            grown |= assembler.add(data)
        if grown and told is not None:
            told(assembler.text)

    return on_chunk


def to_json(value: object) -> bytes:
    """JSON as httpx and vLLM write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _proof_key(request: LLMRequest) -> Hashable:
    """A proof holds for who has seen it: another key may be another tenant, or another backend."""
    return normalised_url(request.url), request.fields().get("model"), request.credential


def _sent_headers(headers: Headers, length: int, encoding: str | None) -> list[tuple[bytes, bytes]]:
    """The headers of a request whose body is perhaps not the original's."""
    changed = {b"content-length": b"%d" % length}
    if encoding is not None:
        changed[b"accept-encoding"] = encoding.encode()
    return [(name, changed.get(name.lower(), value)) for name, value in headers]


def _plain_headers(proof: Proof, streamed: RawHeaders, length: int) -> RawHeaders:
    """Headers as the server sends them with plain replies, with the values of this reply alone."""
    values = {name.lower(): value for name, value in streamed}
    headers = []
    for name, value in proof.headers:
        key = name.lower()
        if key == b"content-length":
            headers.append((name, b"%d" % length))
        elif key == b"content-type":
            headers.append((name, value))
        elif key in values and key not in _SEVERAL:
            headers.append((name, values[key]))
    known = {name.lower() for name, _ in headers} | _framing(proof)
    headers += [(name, value) for name, value in streamed if name.lower() not in known]
    return tuple(headers)


def _framing(proof: Proof) -> frozenset[bytes]:
    """Headers that only streamed replies have, as the probe has shown."""
    plain = {name.lower() for name, _ in proof.headers}
    return proof.streamed - plain - _SEVERAL


_SEVERAL = frozenset({b"set-cookie", b"www-authenticate"})
"""A reply may have several of these, and in other numbers than the next: they are its own."""
