"""Whether a server's plain replies can be rebuilt from its streams: asked once, not assumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ayo_bridge.engines.openai_http.engine import STREAM_FIELDS, OpenAIServer, Proof, pump
from ayo_bridge.engines.openai_http.errors import BUSY, TOO_OFTEN, StatusError
from ayo_bridge.engines.openai_http.rebuild import Assembler, CannotRebuildError
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.engines.openai_http.request import MARK, LLMRequest, caller_of
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.seam import Load, entered

_TRIES = 3  # In half precision a batch of others can flip a token: unequal text is asked again.
_TOLERANCE = 0.25
_OF_THE_REPLY = ("id", "created", "metrics")
_OF_THE_TRANSFER = frozenset({b"content-length", b"content-type"})


async def prove(server: OpenAIServer, request: LLMRequest, load: Load | None = None) -> Proof:
    """Ask the server one tiny question plainly and streamed, and compare.

    ``request`` is any request to the endpoint and model in question: its address, its headers and
    its model are used. The result is kept by the server, for whoever sends these headers; a second
    call returns it. With ``load`` each question waits for a moment in which nobody else asks.

    Raises:
        StatusError: the server has too much to do.
        TransportError: it was not reached; in both cases nothing is known.
    """
    return await server.learn(request, lambda: _prove(server, request, load))


async def _prove(server: OpenAIServer, request: LLMRequest, load: Load | None) -> Proof:
    proof = Proof(False, "nothing was probed")
    with entered(None):
        for with_logprobs in (True, False):
            body = _question(request, with_logprobs)
            for _ in range(_TRIES):
                plain = await _ask(server, request, body, load)
                if not plain.ok:
                    proof = Proof(False, f"the server replied with status {plain.status}")
                    break
                streamed = await _ask(server, request, {**body, **STREAM_FIELDS}, load)
                proof = _compare(plain, streamed)
                if proof.proven:
                    return proof
    return proof


def _question(request: LLMRequest, with_logprobs: bool) -> dict[str, Any]:
    fields = request.fields()
    body: dict[str, Any] = {"model": fields.get("model"), "max_tokens": 4, "temperature": 0}
    if "messages" in fields:
        body["messages"] = [{"role": "user", "content": "Count: one, two,"}]
        if with_logprobs:
            body.update(logprobs=True, top_logprobs=1)
    else:
        body["prompt"] = "Count: one, two,"
        if with_logprobs:
            body["logprobs"] = 1
    return body


async def _ask(
    server: OpenAIServer, request: LLMRequest, body: Mapping[str, Any], load: Load | None
) -> Reply:
    caller = caller_of(request.headers)
    marked = replace(request, headers=(*request.headers, (MARK, b"probe")), body=body)
    for patience in range(_TRIES):
        async with load.probing(caller) if load is not None else nullcontext():
            reply, stream = await server.open(marked, encoding="identity")
            await pump(reply.body, stream)
            if reply.status not in BUSY:
                return reply
            if load is None or patience == _TRIES - 1:
                break
            load.refused(caller if reply.status == TOO_OFTEN else None)
    raise StatusError(reply.status)


def _compare(plain: Reply, streamed: Reply) -> Proof:
    if not streamed.ok:
        return Proof(False, f"the server replied to a streamed request with {streamed.status}")
    skeleton = plain.json()
    assembler = Assembler()
    for data in EventParser().feed(streamed.decoded()):
        assembler.add(data)
    try:
        rebuilt = assembler.build(skeleton)
    except CannotRebuildError as error:
        return Proof(False, str(error))
    except (KeyError, IndexError, TypeError) as error:
        return Proof(False, f"the server's replies have an unknown shape: {error!r}")
    for name in _OF_THE_REPLY:
        rebuilt.pop(name, None)
    expected = {key: value for key, value in skeleton.items() if key not in _OF_THE_REPLY}
    if not _alike(expected, rebuilt):
        return Proof(
            False,
            f"the rebuilt reply differs: {json.dumps(rebuilt)} instead of {json.dumps(expected)}",
        )
    sent = frozenset(name.lower() for name, _ in streamed.headers)
    lacking = {name.lower() for name, _ in plain.headers} - sent - _OF_THE_TRANSFER
    if lacking:
        names = b", ".join(sorted(lacking)).decode("ascii", "replace")
        return Proof(False, f"only plain replies have the headers {names}")
    return Proof(True, "", skeleton, plain.headers, sent)


def _alike(left: object, right: object) -> bool:
    """Equal but for the last digits of log probabilities and what stands in second place.

    Two runs of one prompt may take different kernels (a cached prefix, another batch).
    """
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= _TOLERANCE
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            key in ("top_logprobs", "prompt_tokens_details") or _alike(left[key], right[key])
            for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_alike, left, right))
    return left == right
