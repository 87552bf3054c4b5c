"""Replies of other engines than OpenAI's, from their documented formats.

Ollama (docs/api.md; its own client parses them in tests), rerankers of Cohere's form and TEI's,
vLLM's scores, TEI's embeddings.
"""

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from tests.stub_openai.replies import as_json, embedding_reply
from tests.stub_openai.requests import Body, StubRequest

OTHERS = ("/rerank", "/score", "/embed", "/api/embeddings", "/api/chat", "/api/generate")
"""How the paths of these end."""


def _score(*texts: object) -> float:
    digest = blake2b(json.dumps(texts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def other_reply(model: str, request: StubRequest, tokens: Sequence[str]) -> Any:
    """A plain reply."""
    body = request.body
    if request.path.endswith("/rerank"):
        return _reranked(model, body)
    if request.path.endswith("/score"):
        return _scored(model, body)
    if request.path.endswith("/api/embeddings"):
        return {"embedding": _vectors(model, body, body["prompt"])[0]}
    if request.path.endswith("/api/embed"):
        vectors = _vectors(model, body, body["input"])
        return {"model": body["model"], "embeddings": vectors, "prompt_eval_count": len(vectors)}
    if request.path.endswith("/embed"):
        return _vectors(model, body, body["inputs"])
    return {**_begun(body), **_piece(request, "".join(tokens)), **_ended(request, tokens)}


def _vectors(model: str, body: Body, texts: Any) -> list[list[float]]:
    asked = StubRequest("POST", "", {}, b"", 0.0, body={"input": texts})
    return [each["embedding"] for each in embedding_reply(model, asked)["data"]]


def _reranked(model: str, body: Body) -> Any:
    tei = "texts" in body
    texts = body["texts"] if tei else body["documents"]
    scored = [(_score(body["query"], text), index) for index, text in enumerate(texts)]
    scored.sort(reverse=True)
    if tei:
        return [{"index": index, "score": score} for score, index in scored]
    results = [
        {"index": index, "document": {"text": texts[index]}, "relevance_score": score}
        for score, index in scored[: body.get("top_n")]
    ]
    return {"id": "rerank-1", "model": model, "usage": {"total_tokens": 7}, "results": results}


def _scored(model: str, body: Body) -> Body:
    texts = body["text_2"] if isinstance(body["text_2"], list) else [body["text_2"]]
    data = [
        {"index": index, "object": "score", "score": _score(body["text_1"], text)}
        for index, text in enumerate(texts)
    ]
    return {"id": "score-1", "object": "list", "created": 1, "model": model, "data": data}


# Ollama.


def other_events(request: StubRequest, tokens: Sequence[str]) -> Iterator[bytes]:
    """The lines of a streamed reply of Ollama."""
    for token in tokens:
        yield as_json({**_begun(request.body), **_piece(request, token), "done": False}) + b"\n"
    last = {**_begun(request.body), **_piece(request, ""), **_ended(request, tokens)}
    yield as_json(last) + b"\n"


def streams(request: StubRequest) -> bool:
    """Whether a request gets its reply as a stream: those of Ollama do unless they say no."""
    return request.path.endswith(("/api/chat", "/api/generate")) and (
        request.body.get("stream") is not False
    )


def _begun(body: Body) -> Body:
    return {"model": body["model"], "created_at": "2026-01-01T00:00:00.0Z"}


def _piece(request: StubRequest, text: str) -> Body:
    if request.path.endswith("/api/chat"):
        return {"message": {"role": "assistant", "content": text}}
    return {"response": text}


def _ended(request: StubRequest, tokens: Sequence[str]) -> Body:
    counts = {"prompt_eval_count": len(request.prompt.split()), "eval_count": len(tokens)}
    times = dict.fromkeys(("total_duration", "load_duration", "eval_duration"), 1000)
    return {"done": True, "done_reason": "stop", **counts, **times}
