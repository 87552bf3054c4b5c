"""A stub server, a runtime, and scopes that have made the last request of the stub ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ayo_bridge import Runtime
from ayo_bridge.bindings.endpoints import register_endpoint, unregister_endpoint
from ayo_bridge.bindings.plain_http import BINDINGS
from ayo_bridge.engines.dialects import OLLAMA_CHAT, TEI_EMBED
from ayo_bridge.engines.openai_http import Delivery, LLMRequest, OpenAIServer, make_call
from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.schedule import component_op
from ayo_bridge.seam import Call, Outcome, entered
from tests.bindings.openai_http.harness import ENGINE, Given
from tests.stub_openai import StubOpenAI

DIALECTS = (TEI_EMBED, replace(OLLAMA_CHAT, agent=""))
EMBED: Any = {"inputs": ["sky", "sea"]}
CHAT: Any = {"model": "stub", "messages": [{"role": "user", "content": "sky"}], "stream": True}


@dataclass
class World:
    """What a test of the boundary needs."""

    stub: StubOpenAI
    runtime: Runtime

    @property
    def embed(self) -> str:
        return f"{self.stub.root_url}/embed"

    @property
    def chat(self) -> str:
        return f"{self.stub.root_url}/api/chat"

    def again(self) -> Call:
        """The call of the request that the stub has seen last."""
        seen = self.stub.requests[-1]
        headers = tuple((name.encode(), value.encode()) for name, value in seen.pairs)
        streams = seen.body.get("stream")
        delivery = Delivery.REPLAY_STREAM if streams else Delivery.PLAIN
        url = self.stub.root_url + seen.path
        return make_call(ENGINE, LLMRequest(url, headers, seen.raw, delivery=delivery))

    @contextmanager
    def ahead(self, *calls: Call) -> Iterator[Scope]:
        """A scope, entered, that has started these calls ahead of the original."""
        primitives = [
            Primitive(f"call[{index}]", Op.PREFILLING, f"call{index}", ENGINE)
            for index in range(len(calls))
        ]
        makers = {component_op(p): Given(c) for p, c in zip(primitives, calls, strict=True)}
        graph, template = Graph(primitives), Template(())
        ahead = frozenset({*graph.primitives, "later"})
        plan = Plan(template, graph, graph, ahead=ahead, makers=makers)
        record = CallRecord("test", self.runtime.clock(), template, graph, graph)
        scope = Scope(self.runtime, plan, record)
        scope.start({})
        try:
            with entered(scope):
                yield scope
        finally:
            scope.close()


def arms(world: World, ask: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """What is seen of a reply without us, of one that passes by, and of one made ahead."""
    direct = ask()
    with world.ahead() as scope:
        watched = ask()
    assert outcomes(scope) == [Outcome.DIRECT]
    sent = len(world.stub.requests)
    with world.ahead(world.again()) as scope:
        found = ask()
    assert outcomes(scope) == [Outcome.HIT]
    assert len(world.stub.requests) == sent + 1
    return direct, watched, found


def outcomes(scope: Scope) -> Sequence[Outcome]:
    return [call.outcome for call in scope.record.calls]


@pytest.fixture
def world(stub_openai: StubOpenAI) -> Iterator[World]:
    stub_openai.latency = 0.02
    runtime = Runtime()
    runtime.register(OpenAIServer(ENGINE, stub_openai.root_url))
    register_endpoint(stub_openai.root_url, ENGINE, DIALECTS)
    for binding in BINDINGS:
        binding.install()
    yield World(stub_openai, runtime)
    for binding in BINDINGS:
        binding.uninstall()
    unregister_endpoint(stub_openai.root_url, DIALECTS)
    runtime.close()
