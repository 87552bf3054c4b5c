"""Replies of vLLM 0.32, plain and streamed, whose text depends on everything that was asked."""

import json
from array import array
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from tests.stub_openai.requests import Body, StubRequest

_DELIVERY = ("stream", "stream_options", "priority")
_ASKS_FOR_LINES = ("search queries, one on each line", "separated by newlines")
"""What LlamaIndex and LangChain write into prompts for queries."""
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet"]


def hashed_text(body: Body) -> str:
    """Words that depend on everything in the request but how its reply is delivered."""
    kept = {key: value for key, value in body.items() if key not in _DELIVERY}
    digest = blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=8).digest()
    return " ".join([_WORDS[byte % len(_WORDS)] for byte in digest] + [digest.hex()])


def lines_where_asked(body: Body) -> str:
    """Three queries where the prompt asks for queries, else words as ever."""
    words = hashed_text(body)
    if any(sign in str(body) for sign in _ASKS_FOR_LINES):
        # Short ones: each streamed token costs a timer, which is never quite on time.
        ending = words.rpartition(" ")[2]
        return "\n".join(f"{line} {ending}" for line in ("first", "second", "third"))
    return words


def of_tenant(request: StubRequest, text: str) -> str:
    """Lines that all begin with the key that the request came with."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    return "\n".join(f"{key} {line}" for line in text.split("\n"))


def tokens_of(text: str) -> list[str]:
    """Words with the space before them: what one streamed event carries."""
    tokens: list[str] = []
    for char in text:
        if char in " \n" or not tokens:
            tokens.append(char)
        else:
            tokens[-1] += char
    return tokens


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def error_reply(status: int) -> bytes:
    message = f"scripted {status}"
    return as_json({"error": {"message": message, "type": "Stub", "param": None, "code": status}})


def embedding_reply(model: str, request: StubRequest) -> Body:
    """Vectors of 32-bit floats that depend on the texts alone."""
    asked = request.body["input"]
    texts = asked if isinstance(asked, list) and not isinstance(asked[0], int) else [asked]
    encoded = request.body.get("encoding_format") == "base64"
    data: list[Body] = []
    for index, text in enumerate(texts):
        digest = blake2b(json.dumps(text).encode(), digest_size=8).digest()
        numbers = array("f", [(byte - 128) / 128 for byte in digest])
        embedding = b64encode(numbers.tobytes()).decode() if encoded else list(numbers)
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _usage(request: StubRequest, tokens: Sequence[str]) -> Body:
    prompt = max(1, len(request.prompt.split()))
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + len(tokens),
        "completion_tokens": len(tokens),
    }


def _id(request: StubRequest, chat: bool) -> str:
    digest = hashed_text(request.body).rpartition(" ")[2]
    return f"{'chatcmpl' if chat else 'cmpl'}-{digest}"


def _chat_logprobs(tokens: Sequence[str], top: int, first: int = 0) -> Body:
    content = []
    for index, token in enumerate(tokens, first):
        entry = {"token": token, "logprob": -0.5 - index / 8, "bytes": list(token.encode())}
        content.append({**entry, "top_logprobs": [entry] * min(top, 1)})
    return {"content": content}


def _text_logprobs(tokens: Sequence[str], first: int = 0, offset: int = 0) -> Body:
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    values = [-0.5 - index / 8 for index in range(first, first + len(tokens))]
    return {
        "text_offset": offsets,
        "token_logprobs": values,
        "tokens": list(tokens),
        "top_logprobs": [{token: value} for token, value in zip(tokens, values, strict=True)],
    }


def plain_reply(
    model: str, request: StubRequest, tokens: Sequence[str], finish: str, chat: bool
) -> Body:
    """A plain reply of vLLM 0.32, with its null keys."""
    text = "".join(tokens)
    asked = request.body.get("logprobs")
    details = {"prompt_tokens_details": None, "completion_tokens_details": None}
    common = {"finish_reason": finish, "stop_reason": None, "token_ids": None}
    if chat:
        message = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            "reasoning": None,
        }
        top = request.body.get("top_logprobs") or 0
        choice: Body = {
            "index": 0,
            "message": message,
            "logprobs": _chat_logprobs(tokens, top) if asked else None,
            **common,
            "routed_experts": None,
        }
    else:
        choice = {
            "index": 0,
            "text": text,
            "logprobs": _text_logprobs(tokens) if asked is not None else None,
            **common,
            "prompt_logprobs": None,
            "prompt_token_ids": None,
            "routed_experts": None,
        }
    of_chats = {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None}
    return {
        "id": _id(request, chat),
        "object": "chat.completion" if chat else "text_completion",
        "created": 1_767_225_600,
        "model": model,
        "choices": [choice],
        "service_tier": None,
        "system_fingerprint": "stub-1",
        "usage": {**_usage(request, tokens), **details},
        **(of_chats if chat else {}),
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def stream_events(
    model: str, request: StubRequest, tokens: Sequence[str], finish: str, chat: bool
) -> Iterator[bytes]:
    """The events of a streamed reply of vLLM 0.32."""
    options = request.body.get("stream_options") or {}
    include_usage = options.get("include_usage", False)
    asked = request.body.get("logprobs")
    base: Body = {
        "id": _id(request, chat),
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1_767_225_600,
        "model": model,
    }

    def event(**rest: Any) -> bytes:
        return b"data: " + as_json({**base, **rest}) + b"\n\n"

    def choice(**rest: Any) -> list[Body]:
        return [{"index": 0, **rest}]

    if chat:
        role = {"role": "assistant", "content": ""}
        first = choice(delta=role, logprobs=None, finish_reason=None)
        yield event(choices=first, prompt_token_ids=None, prompt_text=None)
    offset = 0
    tokens = tokens or [""]  # The end comes with the last token, if only with an empty one.
    for index, token in enumerate(tokens):
        last = index == len(tokens) - 1
        end: Body = {"finish_reason": finish if last else None, "token_ids": None}
        if last or not chat:
            end["stop_reason"] = None
        if not chat:
            end["prompt_token_ids"] = None
        top = {"system_fingerprint": "stub-1"} if last and not include_usage else {}
        if chat:
            logprobs = (
                _chat_logprobs([token], request.body.get("top_logprobs") or 0, index)
                if asked
                else None
            )
            delta = {"content": token}
            yield event(choices=choice(delta=delta, logprobs=logprobs, **end), **top)
        else:
            logprobs = _text_logprobs([token], index, offset) if asked is not None else None
            yield event(choices=choice(text=token, logprobs=logprobs, **end), **top)
        offset += len(token)
    if include_usage:
        yield event(choices=[], usage=_usage(request, tokens), system_fingerprint="stub-1")
    yield b"data: [DONE]\n\n"
