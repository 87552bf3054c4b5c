"""Servers of others are told from one's own by their names."""

import pytest

from ayo_bridge.learn.live.owners import Owners, way_of
from ayo_bridge.learn.live.remote import VARIABLE, is_remote, wanted
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.seam import Answer, BoundaryCall, Call


class Owner:
    """A client."""


@pytest.mark.parametrize(
    "server",
    [
        *("127.0.0.1:8000", "[::1]:8000", "localhost:8000", "10.0.0.7:80", "192.168.1.4:8000"),
        *("vllm:8000", "gpu-1.local:8000", "llm.team.svc:80", "llm.team.svc.cluster.local:80"),
        *("models.corp.internal:443", "[fd00::7]:8000"),
    ],
)
def test_own_servers(server: str) -> None:
    assert not is_remote(server)


@pytest.mark.parametrize(
    "server",
    ["api.openai.com:443", "openrouter.ai:443", "8.8.8.8:443", "[2001:4860:4860::8888]:443"],
)
def test_servers_of_others(server: str) -> None:
    assert is_remote(server)


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_they_are_asked_ahead_by_choice_only(
    value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert wanted() is expected


@pytest.mark.parametrize(
    ("server", "made"), [("localhost:8000", True), ("api.openai.com:443", False)]
)
def test_nothing_is_made_ahead_at_servers_of_others(
    server: str, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remake(owner: object, fields: object) -> Call:
        raise NotImplementedError

    call = BoundaryCall("llm", Owner(), dict, lambda result: Answer(), remake, server=server)
    monkeypatch.delenv(VARIABLE, raising=False)
    owners = Owners()
    owners.saw(Site("site", ()), call)
    assert (way_of(call) is not None) == made
    assert (owners.shared("site") is not None) == made
    assert (server in owners.why_not("site")) == (not made)
    monkeypatch.setenv(VARIABLE, "1")
    assert way_of(call) is not None
