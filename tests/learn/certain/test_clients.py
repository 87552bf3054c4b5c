"""A client that is certain at one place of the program is asked ahead there only."""

from __future__ import annotations

from typing import Any

import pytest

from ayo_bridge.learn.certain.running import Certain
from ayo_bridge.learn.live.clients import Clients
from ayo_bridge.learn.live.named import Named
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.seam import Answer, BoundaryCall, Call
from tests.learn.certain.clients import Client

HERE = Site("here", ("here",), (b"inside", b"here"))
THERE = Site("there", ("there",), (b"inside", b"there"))


def made_by(client: Client) -> BoundaryCall:
    def remake(owner: Any, fields: Any) -> Call:
        raise ValueError("nothing is sent")

    return BoundaryCall("llm", client, dict, lambda result: Answer(), remake, server="127.0.0.1:1")


@pytest.fixture
def client() -> Client:
    return Client("main")


@pytest.fixture
def owners(client: Client) -> Owners:
    seen = Owners()
    for site in (HERE, THERE):
        seen.saw(site, made_by(client))
    return seen


def test_it_is_asked_ahead_where_its_call_leads_and_nowhere_else(
    client: Client, owners: Owners
) -> None:
    clients = Clients(owners, frozenset(), Named({}))
    clients.always([Certain(client, (frozenset({b"here"}),))])
    assert clients.way("here") is not None
    assert clients.way("there") is None


def test_it_is_so_in_tasks_only_if_nothing_else_is_asked_there(
    client: Client, owners: Owners
) -> None:
    chain = (frozenset({b"here"}),)
    for plain in (True, False):
        clients = Clients(owners, frozenset(), Named({}), spread=frozenset({"here"}))
        clients.always([Certain(client, chain, plain=plain)])
        assert (clients.way("here") is not None) == plain


def test_it_is_so_no_more_once_a_place_was_asked_by_two(client: Client, owners: Owners) -> None:
    clients = Clients(owners, frozenset(), Named({}))
    clients.always([Certain(client, (frozenset({b"here"}),))])
    for each in (client, Client("other")):
        clients.used("there", (), made_by(each), {})
    assert clients.way("here") is None
