"""Replies in vLLM's form (0.32.0): plain ones, and the events of streams."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from ayo_bridge.serving.emulated.requests import Asked
from ayo_bridge.simulate.generation import Generation

DONE = b"data: [DONE]\n\n"


class Reply:
    """What one request is answered, as its tokens come."""

    def __init__(self, asked: Asked, label: str) -> None:
        self._asked = asked
        self._label = label
        prefix, self._object = (
            ("chatcmpl", "chat.completion") if asked.chat else ("cmpl", "text_completion")
        )
        self._id = f"{prefix}-{uuid.uuid4().hex[:16]}"
        self._created = int(time.time())

    def whole(self, generations: Sequence[Generation]) -> bytes:
        """The reply of a request that does not stream."""
        choices = [self._choice(each.index) for each in self._asked.sequences]
        head = {**self._head(self._object), "system_fingerprint": self._label}
        usage = self._usage(generations)
        return as_json({**head, "choices": choices, "usage": usage, "kv_transfer_params": None})

    def opening(self, index: int) -> bytes:
        """The event with which a sequence of a chat begins."""
        delta = {"role": "assistant", "content": ""}
        return self._event([self._streamed(index, {"delta": delta}, None)])

    def token(self, index: int, place: int, generations: Sequence[Generation]) -> bytes:
        """The event of a token."""
        answer = self._asked.sequences[index].answer
        piece = answer.pieces[place]
        last = place == len(answer.pieces) - 1
        what = {"delta": {"content": piece}} if self._asked.chat else {"text": piece}
        usage = self._usage(generations) if self._asked.usage_always else None
        choice = self._streamed(index, what, answer.finish if last else None)
        return self._event([choice], usage, labelled=last and not self._asked.usage_at_end)

    def ending(self, generations: Sequence[Generation]) -> bytes:
        """What a stream ends with."""
        if not self._asked.usage_at_end:
            return DONE
        return self._event([], self._usage(generations), labelled=True) + DONE

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._asked.model,
        }

    def _choice(self, index: int) -> dict[str, Any]:
        answer = self._asked.sequences[index].answer
        text = "".join(answer.pieces)
        message = {"message": {"role": "assistant", "content": text, "refusal": None}}
        return {
            "index": index,
            **(message if self._asked.chat else {"text": text}),
            "logprobs": None,
            "finish_reason": answer.finish,
            "stop_reason": answer.stop,
        }

    def _streamed(self, index: int, what: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": index, **what, "logprobs": None, "finish_reason": finish}
        if finish is not None:
            choice["stop_reason"] = self._asked.sequences[index].answer.stop
        return choice

    def _event(
        self,
        choices: list[dict[str, Any]],
        usage: dict[str, Any] | None = None,
        *,
        labelled: bool = False,
    ) -> bytes:
        kind = f"{self._object}.chunk" if self._asked.chat else self._object
        event = {**self._head(kind), "choices": choices}
        if labelled:
            event["system_fingerprint"] = self._label
        if usage is not None:
            event["usage"] = usage
        return b"data: %b\n\n" % as_json(event)

    def _usage(self, generations: Sequence[Generation]) -> dict[str, Any]:
        """Of all sequences; cached tokens are those of one, the first (as in vLLM)."""
        decoded = sum(generation.decoded for generation in generations)
        cached = generations[0].cached if generations else 0
        return {
            "prompt_tokens": self._asked.prompt_tokens,
            "total_tokens": self._asked.prompt_tokens + decoded,
            "completion_tokens": decoded,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def as_json(value: object) -> bytes:
    """Compact, as vLLM writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
