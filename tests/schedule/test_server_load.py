"""What counts as ahead of the original at a server: not what that has come to."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

from ayo_bridge.runahead.offered import Offered
from ayo_bridge.schedule import Request, ServerLoad
from ayo_bridge.schedule.limits import START, AheadLimit
from ayo_bridge.seam import Query


@dataclass
class Sent:
    """A request on its way, as far as an offer looks at it."""

    future: Future[object] = field(default_factory=Future)


def offered(load: ServerLoad, sent: list[Sent]) -> Offered:
    def start() -> Request:
        sent.append(Sent())
        return cast(Request, sent[-1])

    return Offered(load, Query("kind", 1), start, lambda error: None)


def test_a_call_that_the_original_has_come_to_makes_room_for_the_next() -> None:
    load, sent = ServerLoad(lambda: 0.0, AheadLimit(1)), list[Sent]()
    first, second, third = (offered(load, sent) for _ in range(3))
    for offer in (first, second, third):
        assert load.offer(offer, lambda: 1.0)
    assert len(sent) == 1
    first.claimed()
    first.claimed()
    assert len(sent) == 2
    assert (load.ahead, load.awaited) == (1, 1)
    sent[0].future.set_result("done")
    assert (load.ahead, load.awaited, len(sent)) == (1, 0, 2)
    sent[1].future.set_result("done")
    second.claimed()  # It has ended: there is nothing to wait for.
    assert (load.ahead, load.awaited, len(sent)) == (1, 0, 3)
    sent[2].future.set_result("done")
    assert (load.ahead, load.awaited) == (0, 0)


def test_what_waits_goes_when_further_servers_share_the_calls() -> None:
    load, sent = ServerLoad(lambda: 0.0, AheadLimit()), list[Sent]()
    for _ in range(2 * START + 1):
        assert load.offer(offered(load, sent), lambda: 1.0)
    assert len(sent) == START
    load.serves(2)
    assert len(sent) == 2 * START
    load.serves(1)
    sent[0].future.set_result("done")  # There are still more than one server is to have.
    assert len(sent) == 2 * START


def test_what_the_original_waits_for_may_still_be_what_a_refusal_comes_of() -> None:
    load, sent = ServerLoad(lambda: 0.0, AheadLimit(1)), list[Sent]()
    offer = offered(load, sent)
    load.offer(offer, lambda: 1.0)
    offer.claimed()
    assert load.disturbed
    completion = load.completion()
    assert completion is not None
    assert not completion.done()
    sent[0].future.set_result("done")
    assert completion.done()
    assert load.completion() is None
