"""Rows of dialects: which requests are theirs, and what replies say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ayo_bridge import Answer, Dialect, EngineKind, Runtime
from ayo_bridge.engines.dialects import (
    DIALECTS,
    EMBEDDINGS,
    OLLAMA_CHAT,
    OLLAMA_EMBED,
    OLLAMA_GENERATE,
    RERANK,
    SCORE,
    TEI_EMBED,
    TEI_RERANK,
)
from ayo_bridge.engines.openai_http.reply import Body, Reply, usage_of
from ayo_bridge.engines.openai_http.said import answer_by
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import AskedTool, Usage

NDJSON = ((b"content-type", b"application/x-ndjson"),)


def reply(*documents: Any, headers: Any = ()) -> Reply:
    content = b"\n".join(json.dumps(each).encode() for each in documents)
    return Reply(200, headers, Body([content], ended=True))


def items(answer: Answer) -> list[str]:
    return [item.text for item in answer.items or ()]


@pytest.mark.parametrize(
    ("dialect", "asked", "said"),
    [
        (
            RERANK,
            {"query": "q", "documents": ["a", "b", "c"]},
            {"results": [{"index": 2, "relevance_score": 0.9}, {"index": 0}]},
        ),
        (
            RERANK,
            {"query": "q", "documents": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
            {"results": [{"index": 2}, {"index": 0}]},
        ),
        (TEI_RERANK, {"query": "q", "texts": ["a", "b", "c"]}, [{"index": 2}, {"index": 0}]),
        (
            SCORE,
            {"text_1": "q", "text_2": ["a", "c"]},
            {"data": [{"index": 0, "score": 0.1}, {"index": 1, "score": 0.2}]},
        ),
    ],
)
def test_a_reranker_says_the_texts_of_its_request_the_best_first(
    dialect: Dialect, asked: dict[str, Any], said: Any
) -> None:
    assert items(answer_by(dialect, asked, reply(said))) == ["c", "a"]


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        (EMBEDDINGS, {"data": [{"embedding": [1, 0.5]}]}),
        (EMBEDDINGS, {"data": [{"embedding": "AACAPwAAAD8="}]}),
        (TEI_EMBED, [[1, 0.5]]),
        (OLLAMA_EMBED, {"embeddings": [[1, 0.5]]}),
        (OLLAMA_EMBED, {"embedding": [1, 0.5]}),
    ],
)
def test_an_embedding_says_its_vectors(dialect: Dialect, said: Any) -> None:
    assert answer_by(dialect, {}, reply(said)).vectors == ((1.0, 0.5),)


def test_ollama_says_the_pieces_of_its_stream_together() -> None:
    call = {"function": {"name": "now", "arguments": {"zone": "north"}}}
    parts = [
        {"message": {"content": "two "}, "done": False},
        {"message": {"content": "words", "tool_calls": [call]}, "done": False},
        {"message": {"content": ""}, "done": True},
    ]
    said = answer_by(OLLAMA_CHAT, {}, reply(*parts, headers=NDJSON))
    assert (said.text, said.tools) == (
        "two words",
        (AskedTool("", "now", '{"zone": "north"}'),),
    )
    lines = [{"response": "one", "done": False}, {"response": " more", "done": True}]
    assert answer_by(OLLAMA_GENERATE, {}, reply(*lines, headers=NDJSON)).text == "one more"
    with pytest.raises(ValueError, match="no end"):
        answer_by(OLLAMA_CHAT, {}, reply(*parts[:2], headers=NDJSON))


def test_a_reply_of_another_form_says_nothing() -> None:
    for dialect in DIALECTS:
        if dialect.answer is not None:
            with pytest.raises(ValueError):  # noqa: PT011
                answer_by(dialect, {}, reply({"error": "overloaded"}))


def test_tokens_are_counted_where_a_dialect_says() -> None:
    last = b'{"response":"\\"eval_count\\":9","done":true,"prompt_eval_count":7,"eval_count":3}'
    assert usage_of((), [last], OLLAMA_CHAT.tokens) == Usage(7, 3)
    assert usage_of((), [last]) is None


def test_hosts_of_a_dialect_are_patterns() -> None:
    mine = Dialect(
        name="mine", kind=EngineKind.EMBEDDING, paths=("/rows",), hosts=("10.0.*:80", "*:8080")
    )
    assert mine.path_of("http://10.0.0.7/v1/rows", "10.0.0.7:80") == "/rows"
    assert mine.path_of("http://example.org:8080/rows", "example.org:8080") == "/rows"
    assert mine.path_of("http://example.org/rows", "example.org:80") is None
    assert mine.path_of("http://10.0.0.7/other", "10.0.0.7:80") is None


def test_a_dialect_that_fits_no_address_is_refused() -> None:
    with pytest.raises(ArgumentError, match="tuple"):
        Dialect(name="mine", kind=EngineKind.LLM, paths="/rows")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="slash"):
        Dialect(name="mine", kind=EngineKind.LLM, paths=("rows",))
    with pytest.raises(ArgumentError, match="no dialect"):
        Runtime(dialects=["mine"])  # type: ignore[list-item]
