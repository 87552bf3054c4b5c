"""One call under observation: what its caller, its observers and the server see of it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ayo_bridge.engines.openai_http.request import identity
from tests.deadline import eventually
from tests.differential.case import Entry, Env, Framework
from tests.differential.plain import Names, Plain, error, plain, renamed
from tests.differential.record import Log
from tests.stub_openai import StubOpenAI, StubRequest

_DELIVERY = ("stream", "stream_options", "priority")


@dataclass
class Outcome:
    """All that one call of an object lets its caller and its observers see."""

    result: Plain
    raised: bool
    log: Log
    requests: Counter[str]
    marked: Counter[str]
    """Requests that no original makes, by their mark; declared, not compared."""
    messages: list[str]
    query: Plain
    """The query afterwards: frameworks write into it."""


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("ayo_", "asyncio")):
            text = Names(numbered=False).text(record.getMessage())
            self.seen.append(f"{record.levelname} {record.name}: {text}")


@contextmanager
def _messages() -> Iterator[list[str]]:
    handler = _Messages()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler.seen
    finally:
        root.removeHandler(handler)


_HOW_IT_IS = ("/metrics", "/health")
"""What a server with replicas is asked every two seconds, and one that is alone never."""


def canonical(request: StubRequest) -> str:
    """A request, headers and all, without what says only how it and its reply are delivered."""
    body = {key: value for key, value in request.body.items() if key not in _DELIVERY}
    headers = tuple((k.encode(), v.encode()) for k, v in request.headers.items())
    own = [(name.decode(), value.decode()) for name, value in identity(headers)]
    return json.dumps([request.path, own, body], sort_keys=True)


def _requests(stub: StubOpenAI, start: int) -> tuple[Counter[str], Counter[str]]:
    eventually(lambda: stub.in_flight == 0, "the end of all requests", 10)
    seen = [request for request in stub.requests[start:] if request.path not in _HOW_IT_IS]
    made = Counter(canonical(request) for request in seen if request.mark is None)
    return made, Counter(request.mark for request in seen if request.mark is not None)


class _Call:
    """One call under observation."""

    def __init__(self, env: Env, framework: Framework, query: Any) -> None:
        self._env = env
        self._framework = framework
        self.query = query() if callable(query) else query
        self._start = len(env.stub.requests)
        self._log = Log()
        self._result: Plain = None
        self._raised = False
        self._seen: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        with _messages() as self._seen, self._framework.watching(self._log):
            try:
                yield
            except Exception as raised:
                self.raised(raised)

    def returned(self, result: Any) -> None:
        self._result = plain(result)

    def raised(self, exception: BaseException) -> None:
        self._result, self._raised = error(exception), True

    def outcome(self) -> Outcome:
        made, marked = _requests(self._env.stub, self._start)
        return Outcome(
            renamed(self._result, Names(numbered=False)),
            self._raised,
            self._log,
            made,
            marked,
            self._seen,
            plain(self.query),
        )


def observe(env: Env, framework: Framework, obj: Any, entry: Entry, query: Any) -> Outcome:
    """Ask ``obj`` once and note everything."""
    call = _Call(env, framework, query)
    with call.watched():
        call.returned(entry.ask(obj, call.query))
    return call.outcome()


async def observe_async(
    env: Env, framework: Framework, obj: Any, entry: Entry, query: Any
) -> Outcome:
    """Like :func:`observe`, for entries that are awaited."""
    call = _Call(env, framework, query)
    with call.watched():
        asked: Awaitable[Any] = entry.ask(obj, call.query)
        call.returned(await asked)
    return call.outcome()
