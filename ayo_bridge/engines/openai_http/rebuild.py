"""From the events of a streamed reply to the plain reply that the server would have sent.

Which keys a plain reply has, nulls included, differs between servers and versions, so they are
not written down here: they come from a *skeleton*, a plain reply that this server has sent
(:mod:`ayo_bridge.engines.openai_http.probe`). What is not known to be the same is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ayo_bridge.errors import AyoBridgeError

Json = dict[str, Any]

# Request fields that change what is generated, not what the reply looks like.
_ALLOWED = frozenset(
    {
        *("model", "messages", "prompt", "user", "seed", "stop", "stop_token_ids", "n"),
        *("temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty", "length_penalty"),
        *("logit_bias", "logprobs", "top_logprobs", "bad_words", "allowed_token_ids"),
        *("include_stop_str_in_output", "ignore_eos", "min_tokens", "skip_special_tokens"),
        *("spaces_between_special_tokens", "truncate_prompt_tokens", "add_special_tokens"),
        *("add_generation_prompt", "chat_template", "chat_template_kwargs", "documents"),
        *("response_format", "structured_outputs", "priority", "cache_salt", "stream"),
    }
)
_TOP = frozenset({"id", "object", "created", "model", "choices", "usage"})


class CannotRebuildError(AyoBridgeError):
    """A plain reply cannot be made from this stream with certainty; the message says why."""


def refusal(body: Mapping[str, Any]) -> str | None:
    """Why the reply to this request is not rebuilt from a stream, or ``None``."""
    for name, value in body.items():
        if value is None:
            continue
        if name in ("tools", "functions") or (name == "tool_choice" and value != "none"):
            return "tool calls are not rebuilt"
        if name == "n" and value != 1:
            return "more than one choice is not rebuilt"
        if name == "prompt" and _prompts(value) != 1:
            return "more than one prompt is not rebuilt"
        if name == "stream" and value:
            return "the request streams by itself"
        if name not in _ALLOWED and name != "tool_choice":
            return f"the request has {name!r}, which is not known to be rebuilt exactly"
    return None


def _prompts(prompt: object) -> int:
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return len(prompt)
    return 1


def answer_of(reply: Any) -> str | None:
    """The text of the first choice of a plain reply."""
    try:
        choice = reply["choices"][0]
        found = choice["message"]["content"] if "message" in choice else choice["text"]
    except (KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, str) else None


class Assembler:
    """Collects the events of one streamed reply of a single choice.

    ``text`` is the answer so far. What prevents a rebuild is remembered in ``problem``, so that
    the text of any stream can be followed.
    """

    __slots__ = (
        "_choice",
        "_logprobs",
        "_pieces",
        "_role",
        "_top",
        "_usage",
        "chat",
        "done",
        "problem",
        "text",
    )

    def __init__(self) -> None:
        self.text = ""
        self.done = False
        self.problem: str | None = None
        self.chat: bool | None = None
        self._pieces = 0
        self._role: str | None = None
        self._choice: Json = {}
        self._logprobs: list[Json] = []
        self._top: Json = {}
        self._usage: Json | None = None

    def add(self, data: str) -> bool:
        """Take one event; returns whether the text has grown."""
        if data.strip() == "[DONE]":
            self.done = True
            return False
        try:
            event = json.loads(data)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "choices" not in event:
            self._refuse(f"unknown event {data[:80]!r}")
            return False
        for key, value in event.items():
            if key == "usage":
                self._usage = value or self._usage
            elif (
                key != "choices" and value is not None and self._top.setdefault(key, value) != value
            ):
                self._refuse(f"{key!r} changes within the stream")
        before = len(self.text)
        for choice in event["choices"]:
            self._take(choice)
        return len(self.text) > before

    def _refuse(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem

    def _take(self, choice: Json) -> None:
        if choice.get("index", 0) != 0:
            self._refuse("the reply has more than one choice")
            return
        for key, value in choice.items():
            if key == "delta":
                self.chat = True
                self._take_delta(value)
            elif key == "text":
                self.chat = False
                self.text += value or ""
            elif key == "logprobs":
                if value is not None:
                    self._logprobs.append(value)
            elif key != "index" and value is not None:
                if key in self._choice:
                    self._refuse(f"{key!r} comes twice")
                self._choice[key] = value

    def _take_delta(self, delta: Json) -> None:
        for key, value in delta.items():
            if key == "content":
                self.text += value or ""
            elif key == "role":
                self._role = self._role or value
            elif value is not None and value != []:
                self._refuse(f"the message has {key!r}, which is not rebuilt")

    def build(self, skeleton: Mapping[str, Any]) -> Json:
        """The plain reply, with the keys and nulls of ``skeleton``, in its order.

        Raises:
            CannotRebuildError: something is missing, or there is more than the skeleton knows.
        """
        if self.problem is not None:
            raise CannotRebuildError(self.problem)
        if not self.done or self._usage is None or "finish_reason" not in self._choice:
            raise CannotRebuildError("the stream has no end, no usage or no finish reason")
        known = {**self._top, "object": skeleton["object"]}
        known["usage"] = _filled("usage", self._usage, skeleton["usage"])
        known["choices"] = [self._built_choice(skeleton["choices"][0])]
        return _filled("reply", known, skeleton)

    def _built_choice(self, skeleton: Json) -> Json:
        choice: Json = {"index": 0, **self._choice}
        choice["logprobs"] = self._built_logprobs(skeleton.get("logprobs"))
        if self.chat:
            message = {"role": self._role, "content": self.text}
            choice["message"] = _filled("message", message, skeleton["message"])
        else:
            choice["text"] = self.text
        return _filled("choice", choice, skeleton)

    def _built_logprobs(self, skeleton: Json | None) -> Json | None:
        if not self._logprobs:
            return None
        if skeleton is None:
            raise CannotRebuildError("log probabilities were not proven for this server")
        if self.chat:
            entries = [entry for part in self._logprobs for entry in part["content"]]
            if any(set(part) != set(skeleton) for part in self._logprobs) or any(
                set(entry) != set(skeleton["content"][0]) for entry in entries
            ):
                raise CannotRebuildError("log probabilities of an unknown shape")
            return {"content": entries}
        if any(set(part) != set(skeleton) for part in self._logprobs):
            raise CannotRebuildError("log probabilities of an unknown shape")
        joined: Json = {
            key: [value for part in self._logprobs for value in part[key]] for key in skeleton
        }
        offset = 0
        for index, token in enumerate(joined["tokens"]):
            joined["text_offset"][index] = offset
            offset += len(token)
        return joined


def _filled(what: str, known: Mapping[str, Any], skeleton: Mapping[str, Any]) -> Json:
    """``known`` with the null keys of ``skeleton``; neither may have what the other cannot."""
    result: Json = {}
    for key, example in skeleton.items():
        if key in known:
            result[key] = known[key]
        elif example is None:
            result[key] = None
        else:
            raise CannotRebuildError(f"the {what} has {key!r}, which the stream does not tell")
    for key, value in known.items():
        if key not in skeleton and value is not None:
            raise CannotRebuildError(f"the stream tells {key!r}, which no plain {what} has")
    return result
