"""What routers are told of a request, in fields of their own beside those of OpenAI's API."""

from __future__ import annotations

import json
from typing import Any

from ayo_bridge.engines.declared import Hints
from ayo_bridge.schedule.expected import Expectation


def hint_of(kind: Hints, session: str, expected: Expectation) -> bytes:
    """A field of JSON; empty where there is nothing to say.

    ``AGENTIC_CONTEXT`` is as vllm-router 0.1.17 checks it. ``AGENT_HINTS`` is as Dynamo 1.x
    documents it; there sessions are headers.
    """
    if kind is Hints.AGENT_HINTS:
        return _field("nvext", {"agent_hints": _known(osl=expected.output)})
    if kind is Hints.AGENTIC_CONTEXT:
        seconds = expected.seconds
        context = _known(
            program_id=session,
            expected_output_tokens=expected.output,
            expected_resume=expected.resumes,
            kv_retention_ttl_seconds=None if seconds is None else round(seconds, 3),
        )
        return _field("vllm_xargs", {"agentic_context": context})
    return b""


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _field(name: str, value: dict[str, Any]) -> bytes:
    if not any(value.values()):
        return b""
    written = json.dumps({name: value}, separators=(",", ":"))
    return written[1:-1].encode("ascii")


def hinted(content: bytes, hint: bytes) -> bytes:
    """A body with a field added at its end; itself where it is no object, or has such a field."""
    body, name = content.rstrip(), hint[: hint.index(b":")]
    if len(body) < 3 or not body.endswith(b"}") or name in body:
        return content
    return body[:-1] + b"," + hint + b"}"


__all__ = ["hint_of", "hinted"]
