"""The tests' stub OpenAI server in a process of its own, so that its work is not the client's.

A prompt that asks for queries is answered with three lines, every other one with a line. A streamed
reply is complete when the plain one would be: its tokens come evenly over the time of a call.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any, Self

from tests.stub_openai import StubOpenAI, StubRequest, hashed_text, tokens_of

_ASKS_FOR_LINES = ("search queries, one on each line", "separated by newlines")


def text(body: dict[str, Any]) -> str:
    """The reply to a request."""
    words = hashed_text(body)
    if any(sign in str(body) for sign in _ASKS_FOR_LINES):
        # Short ones: each streamed token costs a timer, which is never quite on time.
        ending = words.rpartition(" ")[2]
        return "\n".join(f"{line} {ending}" for line in ("first", "second", "third"))
    return words


class _Stub(StubOpenAI):
    """Spreads a streamed reply over the time of a call."""

    def _complete(self, request: StubRequest, connection: Any) -> None:
        if not request.body.get("stream"):
            super()._complete(request, connection)
            return
        self.token_interval = self.latency / (len(tokens_of(self.text(request.body))) + 1)
        connection.later(self.token_interval, lambda: self._answer(request, connection, None))


class StubServer:
    """A running stub; a context manager. Each call takes ``latency`` seconds."""

    def __init__(self, latency: float, *, core: int | None = None) -> None:
        command = [sys.executable, "-m", "benchmarks.stub_server", "--latency", str(latency)]
        if core is not None:
            command += ["--core", str(core)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def share_cores() -> int | None:
    """Confine this process to all cores but one; returns that one, for the stub."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others)
    return first


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, [options.core])
    stub = _Stub(latency=options.latency, keep_log=False)
    stub.text = text
    with stub:
        print(stub.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
