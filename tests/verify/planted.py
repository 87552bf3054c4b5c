"""What is planted, and how it is waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ayo_bridge import stats
from ayo_bridge.engines.openai_http import LLMRequest
from ayo_bridge.learn.live.owners import Way
from ayo_bridge.lift.llm import Served
from ayo_bridge.runahead.verification import verifier
from ayo_bridge.seam import Call
from tests.deadline import eventually

WRONG = "something else entirely"


def verified() -> None:
    """All calls that were drawn are compared."""
    eventually(verifier.is_idle, "the end of verifying")


def wrong_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is learned asks something else, under the right name."""
    right = Way.call
    monkeypatch.setattr(Way, "call", lambda self, fields: _asking_wrong(right(self, fields)))


def wrong_lifter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is lifted asks an LLM something else, under the right name."""
    right = Served.call

    def wrong(self: Served, *args: Any, **kwargs: Any) -> Call:
        return _asking_wrong(right(self, *args, **kwargs))

    monkeypatch.setattr(Served, "call", wrong)


def _asking_wrong(call: Call) -> Call:
    asked = call.payload
    if not isinstance(asked, LLMRequest):
        return call
    body = {**asked.fields(), "messages": [{"role": "user", "content": WRONG}]}
    return replace(call, payload=replace(asked, body=body))


def until_found(fast: Any, call: Callable[[int], object]) -> int:
    """How many calls were made until a mismatch was found."""
    for number in range(100):
        call(number)
        verified()
        if stats(fast).mismatched:
            return number + 1
    raise AssertionError("nothing was found")
