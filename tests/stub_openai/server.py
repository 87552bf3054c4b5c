"""The server: what it replies to whom, in a thread of its own."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import chain, islice
from typing import Any

from tests.stub_openai.connection import Connection
from tests.stub_openai.other_replies import OTHERS, other_events, other_reply, streams
from tests.stub_openai.replies import (
    as_json,
    embedding_reply,
    error_reply,
    hashed_text,
    plain_reply,
    stream_events,
    tokens_of,
)
from tests.stub_openai.requests import Body, Script, StubRequest

_AS_EVER = Script(lambda request: True)
_PATIENCE = 10.0
"""Seconds that a call waits at most for others that are to be there at once."""


class StubOpenAI:
    """The server; a context manager. All settings may be changed while it runs.

    Args:
        latency: seconds each call takes.
        token_interval: seconds between the events of a stream.
        spread: a streamed reply is complete when the plain one would be: its tokens come evenly
            over the time of a call.
        model: the name it serves.
        port: where it listens; a free one by default.
        keep_log: keep every request in `requests`; off for tests of throughput.
        slots: how many calls it works on at once, the others wait; as many as come by default.
        slower: each call takes so many times as long as the one before, until two have been there
            at once. A test of whether they come at once does not depend on how busy the machine is.
    """

    def __init__(
        self,
        *,
        latency: float = 0.1,
        token_interval: float = 0.0,
        spread: bool = False,
        model: str = "stub",
        port: int = 0,
        keep_log: bool = True,
        slots: int | None = None,
        slower: float = 1.0,
    ) -> None:
        self.latency = latency
        self.token_interval = token_interval
        self.spread = spread
        self.model = model
        self.keep_log = keep_log
        self.slots = slots
        self.slower = slower
        self._waiting: deque[tuple[StubRequest, Connection]] = deque()
        self._at_work: set[Connection] = set()
        self.text: Callable[[Body], str] = hashed_text
        self.extra_headers: list[tuple[str, str]] = []
        self.compress = False
        self.requests: list[StubRequest] = []
        self.served = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.away = False
        self._scripts: list[Script] = []
        self._port = port
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stub openai", daemon=True)
        self._started = threading.Event()
        self._over = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.connections: set[Connection] = set()

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
        self.loop.call_soon_threadsafe(self._drop_all)

    def __enter__(self) -> "StubOpenAI":
        self._thread.start()
        while not self._started.wait(0.1):
            if not self._thread.is_alive():
                raise RuntimeError(f"it cannot listen at port {self._port}")
        return self

    def __exit__(self, *exc: object) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    # Replies.

    def _script(self, request: StubRequest) -> Script | None:
        for script in reversed(self._scripts):
            if script.times != 0 and script.predicate(request):
                if script.times is not None:
                    script.times -= 1
                return script
        return None

    def respond(self, request: StubRequest, connection: Connection) -> None:
        """Reply to a request, now or when its latency has passed."""
        if request.path == "/health":
            connection.reply(request, 200, b"", "text/plain")
        elif request.path == "/v1/models":
            listed = {"object": "list", "data": [{"id": self.model, "object": "model"}]}
            connection.reply(request, 200, as_json(listed))
        elif request.path == "/requests":
            connection.reply(request, 200, as_json(self._seen()))
        elif request.path == "/reset":
            self.reset()
            connection.reply(request, 200, b"{}")
        elif not request.path.endswith(("completions", "embeddings", *OTHERS)):
            connection.reply(request, 404, as_json({"detail": "Not Found"}))
        else:
            self._waiting.append((request, connection))
            self._work()

    def _work(self) -> None:
        """Take up calls that wait, as slots are free."""
        while self._waiting and (self.slots is None or len(self._at_work) < self.slots):
            request, connection = self._waiting.popleft()
            self._at_work.add(connection)
            self._complete(request, connection)

    def abandoned(self, connection: Connection) -> None:
        """Whoever waited here has gone away."""
        self._waiting = deque(item for item in self._waiting if item[1] is not connection)

    def freed(self, connection: Connection) -> None:
        """A request has ended."""
        self._at_work.discard(connection)
        if self._waiting:
            self._work()

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

    def _complete(self, request: StubRequest, connection: Connection) -> None:
        script = self._script(request) if self._scripts else None
        if script is not None and script.restart is not None:
            self._restart(script.restart)
            return
        latency = self.latency
        if script is not None and script.latency is not None:
            latency = script.latency
        if self.max_in_flight < 2:
            latency *= self.slower**self.served
        if self.spread and request.body.get("stream"):
            whole = latency
            latency /= len(tokens_of(self.text(request.body))) + 1
            interval = whole - latency  # Of all events together.
        else:
            interval = self.token_interval
        answer = partial(self._answer, request, connection, script, interval)
        take_up = answer if latency <= 0 else partial(connection.later, latency, answer)
        if script is not None and script.together > 1:
            self._gather(script, connection, take_up)
        else:
            take_up()

    def _gather(self, script: Script, connection: Connection, take_up: Callable[[], None]) -> None:
        """Take up the calls that are to be there at once when as many are."""
        there = {each: how for each, how in script.there.items() if each in self._at_work}
        script.there = there = {**there, connection: take_up}
        if len(there) < script.together:
            connection.later(_PATIENCE, take_up)
            return
        script.together, script.there = 1, {}
        for each in there.values():
            each()

    def _answer(
        self, request: StubRequest, connection: Connection, script: Script | None, interval: float
    ) -> None:
        script = script or _AS_EVER
        headers = [*self.extra_headers, *script.headers]
        how = script.cut
        status = script.status or 200
        if script.silent:
            connection.hang_up(how)
            return
        if script.content is not None or status != 200:
            content = script.content if script.content is not None else error_reply(status)
            connection.reply(
                request, status, content, headers=headers, cut=script.disconnect, how=how
            )
            return
        text = self.text(request.body)
        if script.text is not None:
            text = script.text if isinstance(script.text, str) else script.text(request)
        tokens = tokens_of(text)
        most = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
        finish = "stop"
        if most is not None and most < len(tokens):
            tokens, finish = tokens[:most], "length"
        if request.path.endswith(OTHERS):
            self._answer_other(request, connection, tokens, headers, interval, script)
            return
        chat = request.path.endswith("chat/completions")
        if request.body.get("stream"):
            events = stream_events(self.model, request, tokens, finish, chat)
            if script.garbage:
                events = chain(islice(events, 2), [b"data: {not json\n\n"], events)
            events = islice(events, script.ends_early)
            connection.stream(request, events, headers, interval, script.disconnect, how)
        else:
            if request.path.endswith("embeddings"):
                plain = as_json(embedding_reply(self.model, request))
            else:
                plain = as_json(plain_reply(self.model, request, tokens, finish, chat))
            content = b"{not json" if script.garbage else plain[: script.ends_early]
            connection.reply(request, 200, content, headers=headers, cut=script.disconnect, how=how)

    def _answer_other(
        self,
        request: StubRequest,
        connection: Connection,
        tokens: list[str],
        headers: list[tuple[str, str]],
        interval: float,
        script: Script,
    ) -> None:
        if streams(request):
            events = islice(other_events(request, tokens), script.ends_early)
            kind = "application/x-ndjson"
            connection.stream(
                request, events, headers, interval, script.disconnect, script.cut, kind
            )
            return
        content = as_json(other_reply(self.model, request, tokens))
        connection.reply(
            request, 200, content, headers=headers, cut=script.disconnect, how=script.cut
        )

    # Its thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        await self._listen()
        self._started.set()
        await self._over.wait()
        await self._end()

    async def _listen(self) -> None:
        self._server = await self.loop.create_server(
            lambda: Connection(self), "127.0.0.1", self._port, backlog=1024, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self.away = False

    def _restart(self, away: float) -> None:
        self._leave()
        self.loop.call_later(
            away, lambda: self._tasks.append(self.loop.create_task(self._listen()))
        )

    def _leave(self) -> None:
        """Drop all connections, and listen no more.

        asyncio forgets the connection that it is accepting while its server is closed. So nobody is
        accepted from now on; who was just before has a connection in the next round, and is dropped
        as soon as that is made.
        """
        self.away = True
        for listening in self._server.sockets if self._server is not None else ():
            self.loop.remove_reader(listening.fileno())
        if self._server is not None:
            self.loop.call_soon(self._server.close)
        self._drop_all()

    def _drop_all(self) -> None:
        for connection in list(self.connections):
            connection.drop()

    async def _end(self) -> None:
        """Leave, and return when nobody is connected any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._leave()
        for _ in range(2):  # Rounds, until who was being accepted has a connection.
            await asyncio.sleep(0)
        while self.connections:
            await asyncio.sleep(0)
