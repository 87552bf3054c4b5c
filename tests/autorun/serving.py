"""A service of several workers that a test has started."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.request import urlopen

from tests.autorun.engines import server
from tests.autorun.running import PLAIN, ended, listening, started
from tests.deadline import eventually
from tests.processes import descendants
from tests.stub_openai import StubOpenAI


@dataclass
class Service:
    """A running one, the server that it asks, and how it ended."""

    url: str
    stub: StubOpenAI
    processes: int = 2
    workers: set[str] = field(default_factory=set)
    ended: tuple[int, str, str] = (0, "", "")

    def get(self, path: str) -> str:
        """A reply, over a connection of its own."""
        with urlopen(f"{self.url}{path}", timeout=90) as reply:
            return str(reply.read().decode())

    def meet(self) -> bool:
        """Whether all workers have answered by now; the first reply waits for their start."""
        self.workers.add(self.get("/worker"))
        return len(self.workers) == self.processes


@contextmanager
def serving(command: Sequence[str], workers: int = 2) -> Iterator[Service]:
    """A service of so many workers, ended by SIGTERM; ``{fd}`` in its command is its socket."""
    with server(0.05, slower=2.0) as stub, listening() as (there, url):
        words = [word.format(fd=there.fileno()) for word in command]
        process = started(words, env=PLAIN | {"LLM_URL": stub.base_url}, sockets=[there])
        service = Service(url, stub, workers)
        try:
            eventually(service.meet, "the start of all workers", 90)
            yield service
            process.send_signal(signal.SIGTERM)
            service.ended = ended(process)
        finally:
            if process.returncode is None:
                for each in [*descendants(process.pid), process]:
                    each.kill()
                print(*process.communicate(), file=sys.stderr)
