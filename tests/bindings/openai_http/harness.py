"""A stub server, a runtime with its engine, and scopes that make given calls ahead.

Imports the core, `openai` and the standard library only: tests/openai3 uses it, too.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import openai
import pytest

from ayo_bridge.bindings.openai_http import BINDINGS, register_endpoint, unregister_endpoint
from ayo_bridge.bindings.openai_sdk import OPENAI, Form, build
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, OpenAIServer, make_call
from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Values, Work, component_op
from ayo_bridge.seam import Call, EngineCall, Outcome, entered
from tests.stub_openai import StubOpenAI

API_KEY = "sk-test"
ENGINE = "llm:stub"
MESSAGES: Any = [{"role": "user", "content": "Why is the sky blue?"}]
CHAT: dict[str, Any] = {"model": "stub", "messages": MESSAGES, "temperature": 0.1}
TEXT: dict[str, Any] = {"model": "stub", "prompt": "Why is the sky blue?", "max_tokens": 5}
USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


@dataclass
class Given:
    """A maker of calls that are known beforehand."""

    call: Call

    def calls(self, work: Work) -> Sequence[Call]:
        return [self.call]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        return {}


@dataclass
class World:
    """What a test of the binding needs."""

    stub: StubOpenAI
    runtime: Runtime
    server: OpenAIServer
    clients: list[openai.OpenAI] = field(default_factory=list)

    def request(
        self,
        delivery: Delivery = Delivery.PLAIN,
        on_text: Callable[[str], None] | None = None,
        *,
        raw: bool = False,
        **body: Any,
    ) -> LLMRequest:
        """A request as the SDK makes it: to chat with `messages`, else to completions.

        By its synchronous client or, where a loop runs, by the other one."""
        if "prompt" not in body:
            body.setdefault("messages", MESSAGES)
        path = "/chat/completions" if "messages" in body else "/completions"
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            client: Any = self.client()
        else:
            client = self.async_client()
        built = build(client, Form(path, raw), {"model": "stub", **body})
        return replace(built, delivery=delivery, on_text=on_text)

    def call(self, delivery: Delivery = Delivery.PLAIN, **body: Any) -> Call:
        return make_call(ENGINE, self.request(delivery, **body))

    def again(self, delivery: Delivery = Delivery.PLAIN) -> Call:
        """The call of the request that the stub has seen last."""
        seen = self.stub.calls[-1]
        headers = tuple((k.encode(), v.encode()) for k, v in seen.headers.items())
        url = self.stub.root_url + seen.path
        request = LLMRequest(url, headers, seen.body, connect=10.0, delivery=delivery)
        return make_call(ENGINE, request)

    @contextmanager
    def ahead(self, *calls: Call) -> Iterator[Scope]:
        """A scope, entered, that has started these calls ahead of the original."""
        scope = self.scope(*calls)
        try:
            with entered(scope):
                yield scope
        finally:
            scope.close()

    def scope(self, *calls: Call) -> Scope:
        primitives = [
            Primitive(f"call[{index}]", Op.PREFILLING, f"call{index}", ENGINE)
            for index in range(len(calls))
        ]
        makers = {
            component_op(primitive): Given(call)
            for primitive, call in zip(primitives, calls, strict=True)
        }
        graph = Graph(primitives)
        template = Template(())
        # "later": a scope that plans nothing ahead keeps no account of the original's calls.
        ahead = frozenset({*graph.primitives, "later"})
        plan = Plan(template, graph, graph, ahead=ahead, makers=makers)
        record = CallRecord("test", self.runtime.clock(), template, graph, graph)
        scope = Scope(self.runtime, plan, record)
        scope.start({})
        return scope

    def client(self, **options: Any) -> openai.OpenAI:
        client = openai.OpenAI(
            base_url=self.stub.base_url, api_key=API_KEY, **{"max_retries": 0, **options}
        )
        self.clients.append(client)
        return client

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self.stub.base_url, api_key=API_KEY, **{"max_retries": 0, **options}
        )


def outcomes(scope: Scope) -> list[Outcome]:
    return [call.outcome for call in scope.record.calls]


def only(scope: Scope) -> EngineCall:
    (record,) = scope.record.calls
    return record


@pytest.fixture
def bound() -> Iterator[None]:
    """The bindings of the installed HTTP libraries are on."""
    for binding in (*BINDINGS, OPENAI):
        binding.install()
    yield
    for binding in (*BINDINGS, OPENAI):
        binding.uninstall()


@pytest.fixture
def server(stub_openai: StubOpenAI) -> OpenAIServer:
    return OpenAIServer(ENGINE, stub_openai.base_url)


@pytest.fixture
def world(bound: None, stub_openai: StubOpenAI, server: OpenAIServer) -> Iterator[World]:
    """Stub, runtime and binding, with a latency short enough for many tests."""
    stub_openai.latency = 0.02
    runtime = Runtime()
    runtime.register(server)
    register_endpoint(stub_openai.base_url, ENGINE)
    world = World(stub_openai, runtime, server)
    yield world
    for client in world.clients:
        client.close()
    unregister_endpoint(stub_openai.base_url)
    runtime.close()
