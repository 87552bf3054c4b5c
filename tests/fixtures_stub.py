"""Fixtures of the stub OpenAI server: in this process, or in one of its own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.stub_openai import StubOpenAI

_REPOSITORY = Path(__file__).resolve().parent.parent


class StubProcess:
    """A stub in a process of its own, for measurements: it takes no time of this interpreter."""

    def __init__(self, *, latency: float = 0.0, token_interval: float = 0.0) -> None:
        command = [sys.executable, "-m", "tests.stub_openai", "--no-log"]
        command += ["--latency", str(latency), "--token-interval", str(token_interval)]
        self._process = subprocess.Popen(
            command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        self.pid = self._process.pid

    def seen(self) -> dict[str, Any]:
        """Counters of the server: `served`, `max_in_flight`."""
        url = self.base_url.removesuffix("/v1") + "/requests"
        with urllib.request.urlopen(url) as reply:
            seen: dict[str, Any] = json.load(reply)
        return seen

    def __enter__(self) -> "StubProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def stub_openai() -> Iterator[StubOpenAI]:
    """A stub OpenAI server with 100 ms a call; its settings may be changed while it runs."""
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture
def stub_process() -> Iterator[Callable[..., StubProcess]]:
    """Starts stubs in processes of their own; arguments are those of `StubProcess`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(StubProcess(**settings))
