"""What is built ahead is what the SDK client sends: target, headers and body.

The body is the same to the byte up to openai 2; openai 3 writes its fields in another order.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import asyncio
import functools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import openai
import pytest

from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.bindings.openai_sdk import OPENAI, Form, build, embedding_body
from ayo_bridge.engines.openai_http import LLMRequest
from ayo_bridge.engines.openai_http.request import Headers, identity
from tests.bindings.openai_http.harness import API_KEY, CHAT, TEXT, World
from tests.bindings.openai_http.test_replay_clients import library_of

Sent = tuple[str, Headers, bytes]
CHAT_FORM = Form("/chat/completions")
TEXT_FORM = Form("/completions")
EMBEDDINGS_FORM = Form("/embeddings")
MESSAGE = {"role": "assistant", "content": "Rayleigh."}
REPLY = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE, "text": "x"}],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    }
).encode()


def written(body: bytes) -> bytes:
    """The body as it is compared."""
    if int(openai.__version__.partition(".")[0]) < 3:
        return body
    return json.dumps(json.loads(body), sort_keys=True).encode()


class Recording(ThreadingHTTPServer):
    """Answers every request alike, and keeps what it was sent, duplicates of headers too."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[Sent] = []
        self.bodies: list[bytes] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Recording)
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in self.headers.items())
        self.server.sent.append(
            (f"http://{self.server.host}{self.path}", identity(headers), written(body))
        )
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(REPLY)))
        self.end_headers()
        self.wfile.write(REPLY)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def recording() -> Iterator[Recording]:
    with Recording() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def as_data(request: LLMRequest) -> Sent:
    assert isinstance(request.body, bytes)
    return request.url, identity(request.headers), written(request.body)


CLIENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "organisation": {"organization": "org-1", "project": "proj-1"},
    "defaults": {
        "default_headers": {"X-Tenant": "t", "User-Agent": "mine/1"},
        "default_query": {"version": "2", "a b": "c&d"},
    },
    "timeout": {"timeout": 7.0, "max_retries": 5},
    "user info": {"base_url": "http://user:p%40ss@{host}/v1"},
}
HTTP: dict[str, Any] = {
    "headers": {"X-Mine": "h", "User-Agent": "http/2"},
    "cookies": {"session": "7"},
    "params": {"q": "1"},
}
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "extra headers": {"extra_headers": {"X-Call": "c", "Authorization": "Bearer other"}},
    "extra query": {"extra_query": {"z": ["1", "2"]}},
    "extra body": {"extra_body": {"top_k": 3, "temperature": 0.7}},
    "timeout": {"timeout": 3.0},
    "not given": {"stop": openai.NOT_GIVEN, "seed": 3, "logit_bias": {"5": 1}},
}


def options(recording: Recording, kind: str) -> dict[str, Any]:
    given = {"base_url": "http://{host}/v1", "api_key": API_KEY, **CLIENTS[kind]}
    return {**given, "base_url": given["base_url"].format(host=recording.host)}


def both(client: Any, form: Form, arguments: dict[str, Any]) -> tuple[Sent, Any]:
    """What is built, and the client's own call (awaitable or done)."""
    built = as_data(build(client, form, arguments))
    resource = client.chat.completions if form.path == CHAT_FORM.path else client.completions
    create = resource.with_raw_response.create if form.raw else resource.create
    return built, create(**arguments)


def check(recording: Recording, given: dict[str, Any], form: Form, call: dict[str, Any]) -> None:
    arguments = {**(CHAT if form.path == CHAT_FORM.path else TEXT), **call}
    with openai.OpenAI(**given) as client:
        built, _ = both(client, form, arguments)
    assert recording.sent == [built]


async def acheck(
    recording: Recording, given: dict[str, Any], form: Form, call: dict[str, Any]
) -> None:
    arguments = {**(CHAT if form.path == CHAT_FORM.path else TEXT), **call}
    async with openai.AsyncOpenAI(**given) as client:
        built, sending = both(client, form, arguments)
        await sending
    assert recording.sent == [built]


SDK_FORMS = [CHAT_FORM, Form(CHAT_FORM.path, raw=True), TEXT_FORM, Form(TEXT_FORM.path, raw=True)]


@pytest.mark.parametrize("form", SDK_FORMS, ids=["chat", "raw chat", "text", "raw text"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_what_a_client_sends_is_what_is_built(recording: Recording, kind: str, form: Form) -> None:
    check(recording, options(recording, kind), form, {})
    recording.sent.clear()
    asyncio.run(acheck(recording, options(recording, kind), form, {}))


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("call", [{}, {"dimensions": 8, "user": "u", "encoding_format": "float"}])
def test_what_is_embedded_is_what_is_built_to_the_byte(
    recording: Recording, kind: str, call: dict[str, Any]
) -> None:
    """Also with openai 3, which writes the fields in another order."""
    asked = {"input": ["grüße"], "model": "stub", **call}
    with openai.OpenAI(**options(recording, kind)) as client:
        body = embedding_body(client, asked)
        request = build(client, EMBEDDINGS_FORM, body, keep_order=True)
        client.embeddings.create(**asked)
    assert recording.sent == [as_data(request)]
    assert recording.bodies == [request.body]


@pytest.mark.parametrize("form", SDK_FORMS[:2], ids=["plain", "raw"])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_given_with_a_call_is_built_in(recording: Recording, call: str, form: Form) -> None:
    check(recording, options(recording, "defaults"), form, CALLS[call])
    recording.sent.clear()
    asyncio.run(acheck(recording, options(recording, "defaults"), form, CALLS[call]))


def test_what_an_http_client_adds_is_built_in(recording: Recording) -> None:
    given = options(recording, "organisation")
    with openai.OpenAI(**given) as plain:
        library = library_of(plain)
    check(recording, {**given, "http_client": library.Client(**HTTP)}, CHAT_FORM, {})
    recording.sent.clear()

    async def asynchronous() -> None:
        http_client = library.AsyncClient(**HTTP)
        await acheck(recording, {**given, "http_client": http_client}, CHAT_FORM, {})

    asyncio.run(asynchronous())


def test_a_key_that_is_a_function_is_not_built_ahead(recording: Recording) -> None:
    given = {**options(recording, "plain"), "api_key": lambda: "sk-now"}
    with openai.OpenAI(**given) as client, pytest.raises(CannotBuildError, match="a function"):
        build(client, CHAT_FORM, CHAT)


@pytest.fixture
def compared() -> Iterator[None]:
    """Requests of SDK clients are held against what would have been built."""
    OPENAI.install()
    yield
    OPENAI.uninstall()


def test_a_header_added_on_the_way_ends_building_for_that_client_and_form(
    world: World, compared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered, other = world.client(), world.client()
    library = library_of(altered)
    original = library.Client.send

    @functools.wraps(original)  # As tracing does.
    def send(self: Any, request: Any, **how: Any) -> Any:
        if self is altered._client:
            request.headers["X-Added"] = "1"
        return original(self, request, **how)

    monkeypatch.setattr(library.Client, "send", send)
    raw = Form(CHAT_FORM.path, raw=True)
    for client in (altered, other):
        build(client, CHAT_FORM, CHAT)
        build(client, raw, CHAT)
        with world.ahead():
            client.chat.completions.create(**CHAT)

    with pytest.raises(CannotBuildError, match="x-added"):
        build(altered, CHAT_FORM, CHAT)
    build(altered, raw, CHAT)
    build(other, CHAT_FORM, CHAT)


def test_a_client_that_sends_what_was_built_goes_on_being_built_for(
    world: World, compared: None
) -> None:
    client = world.client(default_headers={"X-Tenant": "t"})
    for _ in range(2):
        build(client, CHAT_FORM, CHAT)
        with world.ahead():
            client.chat.completions.create(**CHAT)
    build(client, CHAT_FORM, CHAT)


def asked_after_building(world: World, client: Any, times: int) -> None:
    """What was built has the cookies of the moment before the last reply."""
    for _ in range(times):
        build(client, CHAT_FORM, CHAT)
        with world.ahead():
            client.chat.completions.create(**CHAT)
            client.chat.completions.create(**CHAT)


def test_cookies_that_change_with_every_reply_end_building(world: World, compared: None) -> None:
    drawn = count()
    world.stub.extra_headers = Renewed(lambda: ("set-cookie", f"AWSALB=v{next(drawn)}; Path=/"))
    client = world.client()
    asked_after_building(world, client, 2)
    with pytest.raises(CannotBuildError, match="cookies change with every reply"):
        build(client, CHAT_FORM, CHAT)


def test_a_session_that_begins_or_is_renewed_now_and_then_does_not_end_building(
    world: World, compared: None
) -> None:
    drawn = count()
    world.stub.extra_headers = Renewed(
        lambda: ("set-cookie", f"session={next(drawn) // 20}; Path=/")
    )
    client = world.client()
    asked_after_building(world, client, 30)
    build(client, CHAT_FORM, CHAT)


def test_cookies_that_the_original_names_itself_do_not_end_building(
    world: World, compared: None
) -> None:
    client = world.client()
    for number in range(6):
        with world.ahead():
            cookie = {"Cookie": f"session={number}"}
            client.chat.completions.create(**CHAT, extra_headers=cookie)
        build(client, CHAT_FORM, {**CHAT, "extra_headers": cookie})


class Renewed(list[tuple[str, str]]):
    """Headers that differ from reply to reply."""

    def __init__(self, header: Callable[[], tuple[str, str]]) -> None:
        super().__init__()
        self._header = header

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([self._header()])


LEAVES, ROOT = {"X-Part": "leaf"}, {"X-Part": "root"}


def test_a_client_whose_requests_name_different_headers_goes_on_being_built_for(
    world: World, compared: None
) -> None:
    client = world.client()

    def original(**extra: Any) -> None:
        with world.ahead():
            client.chat.completions.create(**CHAT, **extra)

    original(extra_headers=LEAVES)
    build(client, CHAT_FORM, {**CHAT, "extra_headers": LEAVES})
    for extra in ({}, {"extra_headers": ROOT}, {"extra_headers": LEAVES}):
        original(**extra)
        build(client, CHAT_FORM, {**CHAT, "extra_headers": LEAVES})


def test_headers_that_only_the_original_names_end_building(world: World, compared: None) -> None:
    client = world.client()
    build(client, CHAT_FORM, CHAT)
    with world.ahead():
        client.chat.completions.create(**CHAT, extra_headers=LEAVES)
    with pytest.raises(CannotBuildError, match="x-part"):
        build(client, CHAT_FORM, CHAT)
