"""Bodies of requests, read and checked as vLLM does (0.32.0, its own words where it has some)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.serving.emulated.answers import Answer, Wish, answer, key_of, rule_for
from ayo_bridge.serving.emulated.fields import (
    Body,
    RefusedError,
    document,
    flag,
    invalid,
    whole,
)
from ayo_bridge.serving.emulated.sampling import answers_wanted
from ayo_bridge.serving.emulated.settings import Settings
from ayo_bridge.serving.emulated.tokens import Tokens, pieces, rendered

_COMPLETION_TOKENS: Final = 16
"""Of a completion that does not say how many (vLLM's and OpenAI's default)."""
_MAY_SAY_NOTHING: Final = ("assistant", "function")
"""Roles of messages whose content may be null."""


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
    count = answers_wanted(body)
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
        stream=flag(body, "stream"),
        usage_at_end=flag(options, "include_usage"),
        usage_always=flag(options, "continuous_usage_stats"),
        priority=whole(body, "priority", 0),
    )


def require_model(body: Body, served: str) -> None:
    """Refuse a request for another model.

    Raises:
        RefusedError: it names one, or none by a text.
    """
    model = body.get("model")
    if not isinstance(model, str | None):
        raise invalid("Input should be a valid string", "body.model")
    if model not in (None, served):
        raise RefusedError(
            f"The model `{model}` does not exist. Valid aliases: {served}.",
            param="model",
            status=404,
            kind="NotFoundError",
        )


def _check(body: Body) -> None:
    if body.get("tools") is not None and not isinstance(body["tools"], list):
        raise invalid("Input should be a valid list", "body.tools")
    choice = body.get("tool_choice")
    if choice not in (None, "none", "auto") and not body.get("tools"):
        raise RefusedError("When using `tool_choice`, `tools` must be set.", param="tool_choice")
    if body.get("tools") and choice != "none":
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
    for name in ("stream_options", "response_format"):
        if not isinstance(body.get(name) or {}, dict):
            raise invalid("Input should be a valid dictionary", f"body.{name}")
    if body.get("continue_final_message") and body.get("add_generation_prompt"):
        raise RefusedError(
            "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
        )


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
        raise invalid("Field required", "body.messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise invalid("Input should be a valid list", "body.messages")
    if not messages:
        raise RefusedError("messages is empty", param="messages")
    for at, message in enumerate(messages):
        _check_message(message, f"body.messages.{at}")
    return rendered(
        messages,
        open_ended=flag(body, "continue_final_message"),
        answers=flag(body, "add_generation_prompt", default=True),
    )


def _check_message(message: Body, place: str) -> None:
    role, said = message.get("role"), message.get("content", "")
    if not isinstance(role, str):
        missing = "role" not in message
        raise invalid("Field required" if missing else "Input should be a string", f"{place}.role")
    if not (isinstance(said, str | list) or (said is None and role in _MAY_SAY_NOTHING)):
        raise invalid("Input should be a valid string", f"{place}.content")


def _prompts(body: Body) -> list[str | Sequence[Hashable]]:
    """The prompts of a completion: a text or token ids, or a list of either."""
    prompt = body.get("prompt")
    if prompt is None:
        raise invalid("Field required", "body.prompt")
    listed = prompt if isinstance(prompt, list) else [prompt]
    if _ids(prompt):
        listed = [prompt]
    if not listed or not all(isinstance(each, str) or _ids(each) for each in listed):
        raise invalid("Input should be a valid string or a list of token ids", "body.prompt")
    return listed


def _ids(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in value
        )
    )


def _wish(settings: Settings, body: Body, length: int, *, chat: bool) -> Wish:
    limit = settings.context
    name = "max_tokens"
    if chat and body.get("max_completion_tokens") is not None:
        name = "max_completion_tokens"
    asked = whole(body, name, 0)
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
        raise invalid("Input should be a valid string or a list of them", "body.stop")
    if not all(stops):
        raise RefusedError("stop cannot contain an empty string.")
    if (least := whole(body, "min_tokens", 0)) < 0:
        raise RefusedError(f"min_tokens must be greater than or equal to 0, got {least}.")
    if least > most:
        raise RefusedError(
            f"min_tokens must be less than or equal to max_tokens={most}, got {least}."
        )
    return Wish(
        most,
        least,
        flag(body, "ignore_eos"),
        tuple(stops),
        flag(body, "include_stop_str_in_output"),
    )
