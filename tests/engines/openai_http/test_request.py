"""What makes two requests the same."""

import json
from typing import Any

import pytest

from ayo_bridge.engines.openai_http import (
    MARK,
    LLMRequest,
    canonical_key,
    make_call,
    make_warm,
)
from ayo_bridge.engines.openai_http.request import normalised_url
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way

URL = "http://127.0.0.1:8000/v1/chat/completions"
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": 'grüße\n"x" 🙂'}],
    "temperature": 0.1,
}


def key(body: Any = BODY, url: str = URL, *headers: tuple[str, str], way: Way = DIRECT) -> Any:
    given = headers or (("authorization", "Bearer a"),)
    return canonical_key(url, tuple((n.encode(), v.encode()) for n, v in given), body, way)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(BODY),
        json.dumps(BODY, indent=2, ensure_ascii=False),
        json.dumps(dict(reversed(BODY.items())), separators=(",", ":")),
        json.dumps({**BODY, "priority": 7}),
        json.dumps({**BODY, "stream": False}),
        json.dumps({**BODY, "stream": None}),
    ],
    ids=["spaces", "indented", "reversed", "priority", "stream false", "stream null"],
)
def test_builders_that_differ_in_form_have_one_key(text: str) -> None:
    assert key(text.encode()) == key()


@pytest.mark.parametrize(
    "other",
    [
        key({**BODY, "temperature": 0.2}),
        key({**BODY, "temperature": 0}),
        key({**BODY, "messages": []}),
        key({**BODY, "top_p": 1}),
        key({**BODY, "stream": True}),
        key(BODY, URL, ("authorization", "Bearer b")),
        key(BODY, URL, ("authorization", "Bearer a"), ("x-tenant", "b")),
        key(BODY, URL, ("authorization", "Bearer a"), ("cookie", "a=b")),
        key(BODY, URL, ("authorization", "Bearer a"), ("authorization", "Bearer a")),
        key(BODY, URL, ("accept", "x")),
        key(way=Way(Proxy("http://proxy:3128"))),
        key(url=URL.replace("chat/", "")),
        key(url=URL + "?version=2"),
    ],
)
def test_what_matters_changes_the_key(other: Any) -> None:
    assert other != key()


def test_stream_options_are_part_of_a_streamed_reply() -> None:
    streamed = {**BODY, "stream": True}
    with_usage = {**streamed, "stream_options": {"include_usage": True}}
    assert key(streamed) != key(with_usage)
    assert key(with_usage) == key({**with_usage, "priority": 1})


def test_the_secret_is_not_in_the_key() -> None:
    assert "hush" not in repr(key(BODY, URL, ("authorization", "Bearer hush")))


def test_headers_of_delivery_do_not_matter() -> None:
    told = (
        *(("Content-Length", "7"), ("Accept-Encoding", "br"), ("Connection", "close")),
        *(("traceparent", "00-1"), ("X-Datadog-Trace-Id", "1"), ("X-Stainless-Retry-Count", "1")),
    )
    assert key(BODY, URL, *told, ("AUTHORIZATION", "Bearer a")) == key()


@pytest.mark.parametrize("body", [b"[1]", b"{", b"", b"\xff"])
def test_a_body_that_is_no_object_has_no_key(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON and Unicode errors are ValueErrors
        key(body)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Host/v1/x", "http://host/v1/x"),
        ("http://host:80/v1/x", "http://host/v1/x"),
        ("https://host:443/v1/x?a=B#c", "https://host/v1/x?a=B"),
        ("http://[::1]:8000/v1/x", "http://[::1]:8000/v1/x"),
        ("http://host", "http://host/"),
    ],
)
def test_equal_urls_are_spelt_alike(url: str, normal: str) -> None:
    assert normalised_url(url) == normal


def request(**body: Any) -> LLMRequest:
    return LLMRequest(URL, ((b"Authorization", b"Bearer a"),), {"model": "m", **body})


def test_a_call_has_the_key_of_its_request_whatever_the_case_of_its_headers() -> None:
    call = make_call("llm", request(**BODY))
    assert call.key == key()
    assert (call.engine, call.items, call.deterministic, call.warm) == ("llm", 1, False, False)


def test_a_chat_warm_leaves_the_last_message_open() -> None:
    prefix = [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": "Text: \n"}]
    call = make_warm("llm", request(messages=prefix, temperature=0.7, stop=["x"], tools=["t"]))
    assert call.warm
    assert isinstance(call.payload, LLMRequest)
    assert (MARK, b"warm") in call.payload.headers
    assert call.payload.body == {
        "model": "m",
        "tools": ["t"],
        "messages": [prefix[0], {"role": "user", "content": "Text:"}],
        "add_generation_prompt": False,
        "continue_final_message": True,
        "max_tokens": 1,
        "temperature": 0,
    }


def test_a_text_warm_sends_the_prefix_as_it_is() -> None:
    call = make_warm("llm", request(prompt="Context: \n"))
    assert isinstance(call.payload, LLMRequest)
    assert call.payload.body == {
        "model": "m",
        "prompt": "Context: \n",
        "max_tokens": 1,
        "temperature": 0,
    }


def test_a_warm_has_a_low_priority_only_where_the_user_says_so() -> None:
    call = make_warm("llm", request(prompt="x"), priority=True)
    assert isinstance(call.payload, LLMRequest)
    assert call.payload.fields()["priority"] > 0
    call = make_warm("llm", request(prompt="x"))
    assert isinstance(call.payload, LLMRequest)
    assert "priority" not in call.payload.fields()


def test_no_original_has_the_key_of_a_warm() -> None:
    call = make_warm("llm", request(prompt="x"))
    assert isinstance(call.payload, LLMRequest)
    assert call.key != make_call("llm", call.payload).key
