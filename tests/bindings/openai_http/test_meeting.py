"""Queries of several kinds at one server: their calls are seen there, whoever makes them."""

from ayo_bridge.seam import Outcome, entered
from tests.bindings.openai_http.harness import CHAT, World, outcomes


def test_a_query_has_one_call_there_while_one_of_another_kind_waits(world: World) -> None:
    world.stub.latency = 0.1
    client, load = world.client(), world.runtime.load(world.server.server)
    other = world.scope()
    with entered(other):
        stream = client.chat.completions.create(**CHAT, stream=True)
    assert load.own == 1
    calls = [world.call(temperature=0.1, max_tokens=number) for number in (1, 2)]
    with world.ahead(*calls) as scope:
        assert (load.ahead, load.held) == (1, True)
        assert "other kinds" in load.description
        for number in (1, 2):
            client.chat.completions.create(**CHAT, max_tokens=number)
    stream.close()
    other.close()
    assert load.in_flight == 0
    assert len(world.stub.calls) == 3
    assert Outcome.HIT in outcomes(scope)


def test_calls_ahead_of_one_query_alone_go_together(world: World) -> None:
    world.stub.latency = 0.1
    load = world.runtime.load(world.server.server)
    with world.ahead(*(world.call(max_tokens=number) for number in (1, 2))):
        assert (load.ahead, load.held) == (2, False)
