"""The stub in a process of its own, for measurements: it takes no time of this interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

_REPOSITORY = Path(__file__).resolve().parents[2]


class StubProcess:
    """A running stub; a context manager. It keeps no list of requests.

    Args:
        latency: seconds each call takes.
        token_interval: seconds between the events of a stream.
        spread: have a streamed reply be complete when the plain one would be.
        lines: answer prompts that ask for queries with three lines.
        tenants: begin each line with the key that the request came with.
        core: the core that it is confined to.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        token_interval: float = 0.0,
        spread: bool = False,
        lines: bool = False,
        tenants: bool = False,
        core: int | None = None,
    ) -> None:
        command = [sys.executable, "-m", "tests.stub_openai", "--no-log"]
        command += ["--latency", str(latency), "--token-interval", str(token_interval)]
        command += ["--spread"] * spread + ["--lines"] * lines
        command += ["--tenants"] * tenants
        if core is not None:
            command += ["--core", str(core)]
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
