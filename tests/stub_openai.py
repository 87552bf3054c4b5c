"""A stub of an OpenAI-compatible server in vLLM's dialect: exact, scripted, and light on the CPU.

Standard library only. It serves any number of connections from one thread, so that a test of
throughput measures the client. ``python tests/stub_openai.py`` runs one as a process of its own.

Its answers are made from a hash of the request, so every part of a prompt matters. A call takes
``latency`` seconds whatever else is going on; a streamed one sends its first token after that and
then one every ``token_interval`` seconds.
"""

import argparse
import asyncio
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

Body = dict[str, Any]

_REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_DELIVERY = ("stream", "stream_options", "priority")
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet"]


@dataclass(eq=False)
class StubRequest:
    """One request as the server saw it. Times are `perf_counter` seconds."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    arrived: float
    ended: float | None = None
    status: int | None = None
    aborted: bool = False
    """The client hung up before the reply was complete."""
    body: Body = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The text of the prompt, the messages of a chat one a line."""
        if "messages" in self.body:
            return "\n".join(_content(message) for message in self.body["messages"])
        prompt = self.body.get("prompt", "")
        return prompt if isinstance(prompt, str) else json.dumps(prompt)

    @property
    def mark(self) -> str | None:
        """`warm` or `probe` on requests that no original made."""
        return self.headers.get("x-ayo-bridge")


def _content(message: Body) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


@dataclass
class Script:
    """What to reply to the requests that `predicate` picks; `times` of them, or all."""

    predicate: Callable[[StubRequest], bool]
    text: str | Callable[[StubRequest], str] | None = None
    status: int | None = None
    content: bytes | None = None
    headers: Sequence[tuple[str, str]] = ()
    disconnect: int | None = None
    """Hang up after this many bytes (plain) or events (stream) of the reply's body."""
    latency: float | None = None
    times: int | None = None


def hashed_text(body: Body) -> str:
    """Words that depend on everything in the request but how its reply is delivered."""
    kept = {key: value for key, value in body.items() if key not in _DELIVERY}
    digest = blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=8).digest()
    return " ".join([_WORDS[byte % len(_WORDS)] for byte in digest] + [digest.hex()])


def tokens_of(text: str) -> list[str]:
    """Words with the space before them: what one streamed event carries."""
    tokens: list[str] = []
    for char in text:
        if char in " \n" or not tokens:
            tokens.append(char)
        else:
            tokens[-1] += char
    return tokens


class StubOpenAI:
    """The server; a context manager. All settings may be changed while it runs.

    Args:
        latency: seconds each call takes.
        token_interval: seconds between the events of a stream.
        model: the name it serves.
        keep_log: keep every request in `requests`; off for tests of throughput.
    """

    def __init__(
        self,
        *,
        latency: float = 0.1,
        token_interval: float = 0.0,
        model: str = "stub",
        port: int = 0,
        keep_log: bool = True,
    ) -> None:
        self.latency = latency
        self.token_interval = token_interval
        self.model = model
        self.keep_log = keep_log
        self.text: Callable[[Body], str] = hashed_text
        self.extra_headers: list[tuple[str, str]] = []
        self.compress = False
        self.requests: list[StubRequest] = []
        self.served = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._scripts: list[Script] = []
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stub openai", daemon=True)
        self._started = threading.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    # What tests use.

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """What the SDKs call so."""
        return f"{self.root_url}/v1"

    @property
    def calls(self) -> list[StubRequest]:
        """The requests for completions, without warms and probes."""
        return [r for r in self.requests if r.path.endswith("completions") and r.mark is None]

    def reply_when(self, predicate: Callable[[StubRequest], bool] | str, **what: Any) -> Script:
        """Script the replies to some requests; a string picks prompts that contain it.

        Keyword arguments are the fields of `Script`. The last script that fits wins.
        """
        if isinstance(predicate, str):
            wanted = predicate
            script = Script(lambda request: wanted in request.prompt, **what)
        else:
            script = Script(predicate, **what)
        self._scripts.append(script)
        return script

    def reset(self) -> None:
        """Forget requests and scripts."""
        self.requests.clear()
        self._scripts.clear()
        self.served = self.max_in_flight = 0

    def hang_up(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(
            lambda: [connection.drop() for connection in list(self._connections)]
        )

    def __enter__(self) -> "StubOpenAI":
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    # Replies.

    def _script(self, request: StubRequest) -> Script | None:
        for script in reversed(self._scripts):
            if script.times != 0 and script.predicate(request):
                if script.times is not None:
                    script.times -= 1
                return script
        return None

    def respond(self, request: StubRequest, connection: "_Connection") -> None:
        """Reply to a request, now or when its latency has passed."""
        if request.path == "/health":
            connection.reply(request, 200, b"", "text/plain")
        elif request.path == "/v1/models":
            listed = {"object": "list", "data": [{"id": self.model, "object": "model"}]}
            connection.reply(request, 200, _json(listed))
        elif request.path == "/requests":
            connection.reply(request, 200, _json(self._seen()))
        elif request.path == "/reset":
            self.reset()
            connection.reply(request, 200, b"{}")
        elif not request.path.endswith("completions"):
            connection.reply(request, 404, _json({"detail": "Not Found"}))
        else:
            self._complete(request, connection)

    def _seen(self) -> Body:
        return {
            "served": self.served,
            "max_in_flight": self.max_in_flight,
            "requests": [
                {
                    "path": r.path,
                    "body": r.body,
                    "mark": r.mark,
                    "arrived": r.arrived,
                    "ended": r.ended,
                    "aborted": r.aborted,
                    "status": r.status,
                }
                for r in self.requests
            ],
        }

    def _complete(self, request: StubRequest, connection: "_Connection") -> None:
        script = self._script(request) if self._scripts else None
        latency = self.latency
        if script is not None and script.latency is not None:
            latency = script.latency
        if latency <= 0:
            self._answer(request, connection, script)
        else:
            connection.later(latency, lambda: self._answer(request, connection, script))

    def _answer(
        self, request: StubRequest, connection: "_Connection", script: Script | None
    ) -> None:
        headers = [*self.extra_headers, *(script.headers if script else ())]
        cut = script.disconnect if script else None
        status = (script.status if script else None) or 200
        if script is not None and (script.content is not None or status != 200):
            content = script.content if script.content is not None else _error(status)
            connection.reply(request, status, content, headers=headers, cut=cut)
            return
        text = self.text(request.body)
        if script is not None and script.text is not None:
            text = script.text if isinstance(script.text, str) else script.text(request)
        tokens = tokens_of(text)
        most = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
        finish = "stop"
        if most is not None and most < len(tokens):
            tokens, finish = tokens[:most], "length"
        chat = request.path.endswith("chat/completions")
        if request.body.get("stream"):
            events = _events(self.model, request, tokens, finish, chat)
            connection.stream(request, events, headers, self.token_interval, cut)
        else:
            plain = _plain(self.model, request, tokens, finish, chat)
            connection.reply(request, 200, _json(plain), headers=headers, cut=cut)

    # Its thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        self._loop.close()

    async def _start(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._started.set()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drop()
        self._loop.call_later(0.01, self._loop.stop)


class _Connection(asyncio.Protocol):
    def __init__(self, stub: StubOpenAI) -> None:
        self._stub = stub
        self._buffer = b""
        self._request: StubRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._stub._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub._connections.discard(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._request is not None:
            self._request.aborted = True
            self._ended()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timer = self._stub._loop.call_later(seconds, what)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._request is None:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            raw, self._buffer = rest[:length], rest[length:]
            method, path, _ = first.split(" ", 2)
            self._take(StubRequest(method, path, headers, raw, time.perf_counter()))

    def _take(self, request: StubRequest) -> None:
        stub = self._stub
        self._request = request
        if request.raw:
            request.body = json.loads(request.raw)
        if stub.keep_log:
            stub.requests.append(request)
        stub.in_flight += 1
        stub.max_in_flight = max(stub.max_in_flight, stub.in_flight)
        stub.respond(request, self)

    def _ended(self) -> None:
        if self._request is not None:
            self._request.ended = time.perf_counter()
            self._request = None
            self._timer = None
            self._stub.in_flight -= 1
            self._stub.served += 1

    def reply(
        self,
        request: StubRequest,
        status: int,
        content: bytes,
        kind: str = "application/json",
        *,
        headers: Sequence[tuple[str, str]] = (),
        cut: int | None = None,
    ) -> None:
        if self._transport is None:
            return
        extra = list(headers)
        if self._compresses(request):
            content = gzip.compress(content, mtime=0)
            extra.append(("content-encoding", "gzip"))
        request.status = status
        head = _head(
            status, [("content-length", str(len(content))), ("content-type", kind), *extra]
        )
        if cut is not None:
            self._transport.write((head + content[:cut]) if cut else b"")
            self._ended()
            self._transport.close()
            return
        self._transport.write(head + content)
        self._ended()

    def _compresses(self, request: StubRequest) -> bool:
        return self._stub.compress and "gzip" in request.headers.get("accept-encoding", "")

    def stream(
        self,
        request: StubRequest,
        events: Iterator[bytes],
        headers: Sequence[tuple[str, str]],
        interval: float,
        cut: int | None,
    ) -> None:
        if self._transport is None:
            return
        extra = list(headers)
        squeeze = zlib.compressobj(wbits=31) if self._compresses(request) else None
        if squeeze is not None:
            extra.append(("content-encoding", "gzip"))
        request.status = 200
        kind = ("content-type", "text/event-stream; charset=utf-8")
        self._transport.write(_head(200, [kind, ("transfer-encoding", "chunked"), *extra]))
        sent = 0

        def send() -> None:
            nonlocal sent
            while self._transport is not None:
                if sent == cut:
                    self._ended()
                    self._transport.close()
                    return
                event = next(events, None)
                sent += 1
                data = event or b""
                if squeeze is not None:
                    data = squeeze.compress(data)
                    data += squeeze.flush(zlib.Z_SYNC_FLUSH if event else zlib.Z_FINISH)
                if data:
                    self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))
                if event is None:
                    self._transport.write(b"0\r\n\r\n")
                    self._ended()
                    self.data_received(b"")
                    return
                if interval > 0:
                    self.later(interval, send)
                    return

        send()


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [
        "date: Thu, 01 Jan 2026 00:00:00 GMT",
        "server: stub",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _error(status: int) -> bytes:
    message = f"scripted {status}"
    return _json({"error": {"message": message, "type": "Stub", "param": None, "code": status}})


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


def _plain(
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


def _events(
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
        return b"data: " + _json({**base, **rest}) + b"\n\n"

    def choice(**rest: Any) -> list[Body]:
        return [{"index": 0, **rest}]

    if chat:
        role = {"role": "assistant", "content": ""}
        first = choice(delta=role, logprobs=None, finish_reason=None)
        yield event(choices=first, prompt_token_ids=None, prompt_text=None)
    offset = 0
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


def main() -> None:
    """Serve until killed; prints the base URL on the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--token-interval", type=float, default=0.0)
    parser.add_argument("--no-log", action="store_true", help="keep no list of requests")
    options = parser.parse_args()
    stub = StubOpenAI(
        port=options.port,
        latency=options.latency,
        token_interval=options.token_interval,
        keep_log=not options.no_log,
    )
    with stub:
        print(stub.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
