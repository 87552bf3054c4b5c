"""Bodies of requests, read and checked as vLLM does (0.32.0, its own words where it has some)."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.serving.emulated.answers import Answer, Wish, answer, key_of, rule_for
from ayo_bridge.serving.emulated.settings import Settings
from ayo_bridge.serving.emulated.tokens import Tokens, pieces, rendered

Body = Mapping[str, Any]

_COMPLETION_TOKENS: Final = 16
"""Of a completion that does not say how many (vLLM's and OpenAI's default)."""


class RefusedError(Exception):
    """A request that is not served; ``status`` and the error's fields as vLLM gives them."""

    def __init__(
        self, message: str, *, param: str | None = None, status: int = 400, kind: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.fields = {
            "message": message,
            "type": kind or "BadRequestError",
            "param": param,
            "code": status,
        }


@dataclass(frozen=True, slots=True)
class Planned:
    """One sequence that the engine decodes: a prompt and its answer."""

    index: int
    prompt: Tokens
    answer: Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what is decoded, and how it is delivered."""

    chat: bool
    model: str
    sequences: tuple[Planned, ...]
    prompt_tokens: int
    """Of all prompts; one that is answered several times counts once."""
    stream: bool = False
    usage_at_end: bool = False
    usage_always: bool = False
    priority: int = 0


def read(settings: Settings, raw: bytes, *, chat: bool) -> Asked:
    """The request in a body.

    Raises:
        RefusedError: it is not served.
    """
    body = document(raw)
    require_model(body, settings.served_model)
    _check(body)
    prompts = [_chat_prompt(body)] if chat else _prompts(body)
    count = _number(body, "n", 1, least=1)
    sequences: list[Planned] = []
    total = 0
    for prompt in prompts:
        tokens: Tokens = tuple(pieces(prompt)) if isinstance(prompt, str) else tuple(prompt)
        total += len(tokens)
        text = key_of(prompt)
        wish = _wish(settings, body, len(tokens), chat=chat)
        for number in range(count):
            written = answer(settings, text, number, wish)
            sequences.append(Planned(len(sequences), tokens, written))
    if _structured(body) and not all(_has_text(settings, prompt) for prompt in prompts):
        raise RefusedError(
            "the emulated model writes no structured output: give its texts with --answers",
            param="response_format",
        )
    options = body.get("stream_options") or {}
    return Asked(
        chat,
        settings.served_model,
        tuple(sequences),
        total,
        stream=bool(body.get("stream")),
        usage_at_end=bool(options.get("include_usage")),
        usage_always=bool(options.get("continuous_usage_stats")),
        priority=_number(body, "priority", 0),
    )


def require_model(body: Body, served: str) -> None:
    """Refuse a request for another model.

    Raises:
        RefusedError: it names one.
    """
    model = body.get("model")
    if model not in (None, served):
        raise RefusedError(
            f"The model `{model}` does not exist. Valid aliases: {served}.",
            param="model",
            status=404,
            kind="NotFoundError",
        )


def document(raw: bytes) -> Body:
    """The JSON object in a body.

    Raises:
        RefusedError: it holds none.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise _invalid(f"JSON decode error: {error}", "body") from error
    if not isinstance(body, dict):
        raise _invalid("Input should be a valid dictionary", "body")
    return body


def _invalid(message: str, place: str) -> RefusedError:
    """As vLLM words what its models of a body refuse."""
    text = f"1 validation error:\n  {{'loc': {place!r}, 'msg': {message!r}}}"
    return RefusedError(text, param=place, kind="Bad Request")


def _number(body: Body, name: str, default: int, *, least: int | None = None) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid("Input should be a valid integer", f"body.{name}")
    if least is not None and value < least:
        raise RefusedError(
            f"{name} must be at least {least}, got {value}. (parameter={name}, value={value})",
            param=name,
        )
    return value


def _check(body: Body) -> None:
    temperature = body.get("temperature")
    if isinstance(temperature, int | float) and (temperature < 0 or math.isnan(temperature)):
        raise RefusedError(
            f"temperature must be non-negative, got {temperature}. "
            f"(parameter=temperature, value={temperature})",
            param="temperature",
        )
    if body.get("tools") and body.get("tool_choice", "auto") != "none":
        raise RefusedError(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be '
            "set; the emulated model calls no tools"
        )
    for name in ("logprobs", "prompt_logprobs", "echo", "suffix", "use_beam_search"):
        if body.get(name) not in (None, False):
            raise RefusedError(f"the emulated model has no {name}", param=name)
    if body.get("stream_options") and not body.get("stream"):
        raise RefusedError(
            "Stream options can only be defined when `stream=True`.", param="stream_options"
        )
    if not isinstance(body.get("stream_options") or {}, dict):
        raise _invalid("Input should be a valid dictionary", "body.stream_options")


def _structured(body: Body) -> bool:
    wanted = body.get("response_format")
    given = isinstance(wanted, dict) and wanted.get("type") not in (None, "text")
    return given or body.get("structured_outputs") is not None


def _has_text(settings: Settings, prompt: str | Sequence[Hashable]) -> bool:
    rule = rule_for(settings, key_of(prompt))
    return rule is not None and rule.text is not None


def _chat_prompt(body: Body) -> str:
    messages = body.get("messages")
    if messages is None:
        raise _invalid("Field required", "body.messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise _invalid("Input should be a valid list", "body.messages")
    if not messages:
        raise RefusedError("messages is empty", param="messages")
    return rendered(
        messages,
        open_ended=bool(body.get("continue_final_message")),
        answers=body.get("add_generation_prompt") is not False,
    )


def _prompts(body: Body) -> list[str | Sequence[Hashable]]:
    """The prompts of a completion: a text or token ids, or a list of either."""
    prompt = body.get("prompt")
    if prompt is None:
        raise _invalid("Field required", "body.prompt")
    listed = prompt if isinstance(prompt, list) else [prompt]
    if _ids(prompt):
        listed = [prompt]
    if not listed or not all(isinstance(each, str) or _ids(each) for each in listed):
        raise _invalid("Input should be a valid string or a list of token ids", "body.prompt")
    return listed


def _ids(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
    )


def _wish(settings: Settings, body: Body, length: int, *, chat: bool) -> Wish:
    limit = settings.context
    name = "max_tokens"
    if chat and body.get("max_completion_tokens") is not None:
        name = "max_completion_tokens"
    asked = _number(body, name, 0)
    if body.get(name) is not None and asked < 1:
        raise RefusedError(
            f"max_tokens must be at least 1, got {asked}. (parameter=max_tokens, value={asked})",
            param="max_tokens",
        )
    if length < 1:
        raise RefusedError("The decoder prompt cannot be empty", param="prompt")
    if length >= limit:
        raise RefusedError(
            f"This model's maximum context length is {limit} tokens. However, your prompt "
            f"contains {length} input tokens, which exceeds this limit even without any output "
            "tokens. Please reduce the length of the input prompt. "
            f"(parameter=input_tokens, value={length})",
            param="input_tokens",
        )
    if asked > limit:
        raise RefusedError(
            f"max_tokens={asked} cannot be greater than max_model_len={limit}. Please request "
            f"fewer output tokens. (parameter=max_tokens, value={asked})",
            param="max_tokens",
        )
    most = min(asked or (limit if chat else _COMPLETION_TOKENS), limit - length)
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(each, str) for each in stops):
        raise _invalid("Input should be a valid string or a list of them", "body.stop")
    return Wish(
        most,
        _number(body, "min_tokens", 0),
        bool(body.get("ignore_eos")),
        tuple(stops),
        bool(body.get("include_stop_str_in_output")),
    )
