"""What is heard of replicas in the background, and when one counts as lost."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ayo_bridge.engines.openai_http import replica_checks
from ayo_bridge.engines.openai_http.replica_checks import Check, watch
from tests.engines.openai_http.loopback import Listener, make_certificates, origin, silent


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY", "METRICS_EVERY"):
        monkeypatch.setattr(replica_checks, name, 0.01)
    monkeypatch.setattr(replica_checks, "_PATIENCE", 0.1)


async def looked(url: str, *, down: bool, looks: int = 6) -> list[str]:
    """What is said of one replica that is in use, or down, while somebody has so many looks."""
    said: list[str] = []
    looking = asyncio.Event()

    def asked(wanted: bool) -> list[int]:
        nonlocal looks
        looks -= 1
        if looks < 0:
            looking.set()
        return [0] if wanted else []

    check = Check(
        [url],
        lambda: asked(down),
        lambda: [] if down else [0],
        lambda number, sequences: said.append("heard"),
        lambda number: said.append("lost"),
    )
    watching = asyncio.create_task(watch(check))
    await asyncio.wait_for(looking.wait(), 30)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return said


@pytest.fixture
def of_its_own_trust(tmp_path: Path) -> Iterator[Listener]:
    """A server whose certificate its clients trust, and nobody else."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl program")
    with origin(make_certificates(tmp_path).for_server()) as server:
        yield server


async def test_one_that_only_its_clients_trust_is_not_lost(of_its_own_trust: Listener) -> None:
    url = f"https://127.0.0.1:{of_its_own_trust.port}/v1"
    assert "lost" not in await looked(url, down=False)
    assert not of_its_own_trust.seen


async def test_one_that_only_its_clients_trust_comes_back(of_its_own_trust: Listener) -> None:
    assert "heard" in await looked(f"https://127.0.0.1:{of_its_own_trust.port}/v1", down=True)


async def test_one_that_only_a_proxy_reaches_is_not_lost() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        assert await looked(url, down=False) == []
        assert await looked(url, down=True) == []


async def test_one_that_takes_connections_and_answers_nothing_is_lost() -> None:
    with silent() as server:
        assert "lost" in await looked(f"http://127.0.0.1:{server.port}/v1", down=False)
        assert await looked(f"http://127.0.0.1:{server.port}/v1", down=True) == []
