"""Starts the applications of this folder, as they are and under `ayo-bridge run`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.stub_openai import StubOpenAI, StubRequest

APPS = Path(__file__).parent / "apps"
RUN = [sys.executable, "-c", "from ayo_bridge.cli import main; main()", "run"]
PLAIN = {**os.environ, "COLUMNS": "80"}
PLAIN.pop("AYO_BRIDGE", None)
OFF = PLAIN | {"AYO_BRIDGE": "0"}
ON = PLAIN | {"AYO_BRIDGE": "1"}


def started(
    command: Sequence[str],
    given: str = "",
    env: dict[str, str] = PLAIN,
    sockets: Sequence[socket.socket] = (),
) -> subprocess.Popen[str]:
    """A child in the applications' folder, which inherits the sockets."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command,
        env=env,
        cwd=APPS,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        pass_fds=[each.fileno() for each in sockets],
    )
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    return process


def ended(process: subprocess.Popen[str], seconds: float = 110) -> tuple[int, str, str]:
    """How it ended, and what it said; one that does not end in time is killed."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end\n{out}\n{err}") from None
    return process.returncode, out, err


def reported(timeline: Path) -> bool:
    """Whether a process that was started by another has drawn its timeline.

    Then its texts are with who says them should a signal end it.
    """
    return any(timeline.parent.glob(f"{timeline.stem}-*"))


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A socket for a server to inherit, and the URL at which it listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as there:
        yield there, f"http://127.0.0.1:{there.getsockname()[1]}"


_DELIVERY = ("stream", "stream_options", "priority")


def asked(stub: StubOpenAI) -> list[tuple[str, str]]:
    """What a server was asked for, as :func:`asked_by` says it."""
    return asked_by(stub.requests)


def asked_by(requests: Sequence[StubRequest]) -> list[tuple[str, str]]:
    """What these ask for, but for how it is to be delivered and for prefix warms.

    Equal texts are embedded once for all that want them at the same time, and count once.
    """
    seen = [request for request in [*requests] if request.mark is None and request.body]
    bodies = [
        {key: value for key, value in request.body.items() if key not in _DELIVERY}
        for request in seen
    ]
    found = [
        (each.path, repr(sorted(body.items()))) for each, body in zip(seen, bodies, strict=True)
    ]
    embedded = {each for each in found if each[0].endswith("/embeddings")}
    return sorted([*embedded, *(each for each in found if each not in embedded)])
