"""What an application sends, as its servers see it, and how that is compared."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final

from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate
from tests.differential import langchain_parts
from tests.differential.langchain_parts import ASKS_FOR_LINES
from tests.faults.matrix.entries import fusion, multi_query, synthesis
from tests.stub_openai import Body, StubOpenAI, StubRequest, hashed_text

KEY = "sk-of-the-user"
_ENCODING = "accept-encoding"
_LEFT_OUT = {"content-length", "x-stainless-retry-count", "x-stainless-read-timeout", _ENCODING}
_MARK = "x-ayo-bridge"
_DELIVERY = ("stream", "stream_options", "priority")
QUESTIONS = ("What grows in the north?", "Who keeps the ledger?")


@dataclass(frozen=True)
class Sent:
    """A request: its head as it came, its body as JSON less how the reply is delivered."""

    server: str
    line: str
    headers: tuple[tuple[str, str], ...]
    body: str
    encodings: str | None = field(compare=False)
    """What the reply may be compressed by. It is delivery too: ``None`` for what is streamed."""

    @property
    def head(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """All but the body."""
        return self.server, self.line, self.headers


def _sent(server: str, request: StubRequest) -> Sent:
    pairs = ((n, v) for n, v in request.pairs if n.lower() not in _LEFT_OUT | {_MARK})
    body = {name: value for name, value in request.body.items() if name not in _DELIVERY}
    return Sent(
        server,
        f"{request.method} {request.target}",
        tuple(pairs),
        json.dumps(body, sort_keys=True),
        None if request.body.get("stream") else request.headers.get(_ENCODING),
    )


@dataclass
class World:
    """The servers that there are, the user's clients, and what else the user counts."""

    server: StubOpenAI
    other: StubOpenAI
    """A second server, or a proxy."""
    loop: asyncio.AbstractEventLoop
    concurrent: bool = False
    """Whether the application is asked by what has to be awaited."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often hooks, auth and the like have run."""
    llama: list[OpenAILike] = field(default_factory=list)

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def like(self, **options: Any) -> OpenAILike:
        """A LlamaIndex model of the server."""
        given = {
            "model": "stub",
            "api_base": self.server.base_url,
            "api_key": KEY,
            "is_chat_model": True,
            "max_tokens": 32,
            "temperature": 0.0,
            "max_retries": 0,
            "timeout": 10.0,
        }
        model = OpenAILike(**{**given, **options})
        self.llama.append(model)
        return model

    def chat(self, **options: Any) -> Any:
        """A LangChain model of the server."""
        given = {"api_key": KEY, "max_tokens": 32, "timeout": 10.0, **options}
        return langchain_parts.chat(given.pop("base_url", self.server.base_url), **given)

    async def aclose(self) -> None:
        """Close all clients, where they have been used."""
        for model in self.llama:
            if model._client is not None:
                model._client.close()
            if model._aclient is not None:
                await model._aclient.close()
            if model._http_client is not None:
                model._http_client.close()
            if model._async_http_client is not None:
                await model._async_http_client.aclose()
        await langchain_parts.close_clients()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Model = Callable[[World], Any]


@dataclass(frozen=True)
class Setting:
    """A way in which users set up the models of a framework.

    Args:
        name: unique.
        model: makes a model, anew for each run; the environment is set by then.
        environment: variables; ``{server}`` and ``{other}`` become addresses.
        lay: prepares the servers before each run.
        change: is done to the model after the first question.
        skip_first: the original does not send the first question's requests alike.
    """

    name: str
    model: Model
    environment: Mapping[str, str] = field(default_factory=dict)
    lay: Callable[[World], None] | None = None
    change: Callable[[World, Any], None] | None = None
    skip_first: bool = False


@dataclass(frozen=True)
class Arm:
    """What one run has given and sent."""

    answers: Sequence[str]
    requests: Sequence[Sent]
    ours: Sequence[Sent]
    """Probes and warms: no original made them."""
    counts: Mapping[str, int]


APPS: Mapping[str, Callable[[Any], Any]] = {
    "tree": lambda model: synthesis(model, "tree_summarize"),
    "fusion": fusion,
    "chain": multi_query,
}


def run(setting: Setting, app: str, runtime: Runtime | None, *, concurrent: bool) -> Arm:
    """Ask both questions; accelerated if there is a runtime."""
    with world_of(concurrent) as world:
        if setting.lay is not None:
            setting.lay(world)
        model = setting.model(world)
        obj = APPS[app](model)
        if runtime is not None:
            obj = accelerate(obj, runtime=runtime)
        answers = [answer_of(world, obj, QUESTIONS[0])]
        if setting.skip_first:
            answers.clear()
            _quiet(world)  # Siblings of a call that was refused may still be on their way.
            _forget(world)
        if setting.change is not None:
            setting.change(world, model)
        answers.append(answer_of(world, obj, QUESTIONS[1]))
        found = [
            (request.mark is not None, _sent(name, request))
            for name, stub in (("server", world.server), ("other", world.other))
            for request in stub.requests
        ]
        return Arm(
            answers,
            [sent for marked, sent in found if not marked],
            [sent for marked, sent in found if marked],
            dict(world.counts),
        )


def _quiet(world: World) -> None:
    """Wait until nothing arrives any more."""
    seen = -1
    while seen != (seen := len(world.server.requests) + len(world.other.requests)):
        time.sleep(0.3)


def _forget(world: World) -> None:
    world.server.requests.clear()
    world.other.requests.clear()
    world.counts.clear()


def answer_of(world: World, obj: Any, question: str) -> str:
    try:
        if hasattr(obj, "query"):
            given = world.run(obj.aquery(question)) if world.concurrent else obj.query(question)
        elif isinstance(obj, FunctionType):
            given = obj(question)
        else:
            given = world.run(obj.ainvoke(question)) if world.concurrent else obj.invoke(question)
        return str(given)
    except Exception as error:
        return f"{type(error).__qualname__}: {error}"


_PORTS: dict[str, int] = {}
"""The same in all runs: a port stands in requests."""
_LISTENED: Final = range(20_000, 32_000)
"""Below those that a system gives to whoever connects, which could take one between two runs."""


def _free_port() -> int:
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.choice(_LISTENED)))
            return int(probe.getsockname()[1])


@contextmanager
def world_of(concurrent: bool) -> Iterator[World]:
    with ExitStack() as stack:
        stubs = []
        for name in ("server", "other"):
            port = _PORTS.get(name) or _free_port()
            stub = stack.enter_context(StubOpenAI(latency=0.005, port=port))
            _PORTS[name] = port
            stub.text = lines
            stubs.append(stub)
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        world = World(stubs[0], stubs[1], loop, concurrent)
        stack.callback(lambda: loop.run_until_complete(world.aclose()))
        yield world


def address_of(name: str) -> str:
    """Host and port of ``server`` or ``other``, the same in all runs."""
    if name not in _PORTS:
        with world_of(False):
            pass
    return f"127.0.0.1:{_PORTS[name]}"


def lines(body: Body) -> str:
    """Three queries where they are asked for, else words that depend on all of the request."""
    words = hashed_text(body)
    if any(sign in str(body) for sign in (ASKS_FOR_LINES, "one on each line")):
        return "\n".join(f"{line} {words.split()[0]}" for line in ("first", "second", "third"))
    return words


def differences(original: Arm, fast: Arm) -> list[str]:
    """What the accelerated run sent, gave or counted that the original did not."""
    found = []
    if original.answers != fast.answers:
        found.append(f"answers {original.answers}, accelerated {fast.answers}")
    one, two = Counter(original.requests), Counter(fast.requests)
    found += [f"only accelerated, {n}x: {_shown(sent, one)}" for sent, n in (two - one).items()]
    found += [f"only as it is, {n}x: {sent}" for sent, n in (one - two).items()]
    heads = {sent.head for sent in original.requests}
    found += [f"a probe: {_shown(sent, one)}" for sent in fast.ours if sent.head not in heads]
    encodings = {sent.encodings for sent in original.requests} | {None}
    found += [f"{sent}" for sent in fast.requests if sent.encodings not in encodings]
    if original.counts != fast.counts:
        found.append(f"counted {original.counts}, accelerated {fast.counts}")
    return found


def _shown(sent: Sent, known: Mapping[Sent, int]) -> str:
    """A request, by what no request of the original has."""
    pairs = {pair for one in known for pair in one.headers}
    extra = [pair for pair in sent.headers if pair not in pairs]
    return f"{sent.server} {sent.line}, headers nobody else has: {extra}, body {sent.body[:80]}"
