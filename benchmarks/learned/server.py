"""The stub LLM server of the applications: ``python -m benchmarks.learned.server``.

The repository's stub, with answers in the formats that the applications ask for, and tool calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.learned.replies import ToolUse, reply_to
from tests.stub_openai import Body, StubOpenAI, StubProcess, StubRequest
from tests.stub_openai.connection import Connection
from tests.stub_openai.replies import as_json, plain_reply, stream_events
from tests.stub_openai.requests import Script

_REPOSITORY = Path(__file__).resolve().parents[2]
_DELIVERY = ("stream", "stream_options", "priority")


class LearnedServer(StubOpenAI):
    """Serves ``reply_to``. A streamed reply is complete when the plain one would be."""

    def __init__(self, *, latency: float = 0.1, port: int = 0) -> None:
        super().__init__(latency=latency, port=port, spread=True)
        self.text = _text_of

    def _answer(
        self, request: StubRequest, connection: Connection, script: Script | None, interval: float
    ) -> None:
        used = reply_to(request.body)
        if isinstance(used, str):
            super()._answer(request, connection, script, interval)
        elif request.body.get("stream"):
            events = _streamed_use(self.model, request, used)
            connection.stream(request, events, [], interval, None)
        else:
            plain = plain_reply(self.model, request, [], "tool_calls", chat=True)
            plain["choices"][0]["message"] |= {"content": None, "tool_calls": [_as_wire(used)]}
            connection.reply(request, 200, as_json(plain))


def _text_of(body: Body) -> str:
    reply = reply_to(body)
    return reply if isinstance(reply, str) else reply.arguments


def _as_wire(used: ToolUse) -> Body:
    function = {"name": used.name, "arguments": used.arguments}
    return {"id": used.id, "type": "function", "function": function}


def _streamed_use(model: str, request: StubRequest, used: ToolUse) -> Iterator[bytes]:
    """The events of a reply without text, its tool call laid into the second one."""
    for event in stream_events(model, request, [""], "tool_calls", chat=True):
        name, _, data = event.partition(b"data: ")
        if b'"content":""' not in data or b'"role"' in data:
            yield event
            continue
        chunk = json.loads(data)
        chunk["choices"][0]["delta"] = {"tool_calls": [{"index": 0, **_as_wire(used)}]}
        yield name + b"data: " + as_json(chunk) + b"\n\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """What reached the server: requests of an application by their bodies, and marked ones.

    ``asked`` counts bodies without their delivery fields; ``marked`` counts warms and probes, which
    no original makes.
    """

    asked: Counter[str] = field(default_factory=Counter)
    marked: int = 0

    @property
    def count(self) -> int:
        """How many requests were an application's, or made ahead in its name."""
        return self.asked.total()


class ServerProcess(StubProcess):
    """A `LearnedServer` in a process of its own; a context manager.

    Args:
        latency: seconds each call takes.
        core: the core that it is confined to.
    """

    def __init__(self, latency: float = 0.1, core: int | None = None) -> None:
        command = [sys.executable, "-m", "benchmarks.learned.server", "--latency", str(latency)]
        if core is not None:
            command += ["--core", str(core)]
        self._process = subprocess.Popen(
            command, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        self.pid = self._process.pid

    def taken(self) -> Seen:
        """What has reached the server since this was last asked; counting starts anew."""
        seen: dict[str, Any] = self.seen()
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/reset"):
            pass
        asked: Counter[str] = Counter()
        marked = 0
        for request in seen["requests"]:
            if not request["path"].endswith("completions"):
                continue
            if request["mark"] is not None:
                marked += 1
                continue
            kept = {key: value for key, value in request["body"].items() if key not in _DELIVERY}
            asked[json.dumps(kept, sort_keys=True)] += 1
        return Seen(asked, marked)


def main() -> None:
    """Serve until killed; prints the base URL on the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, [options.core])
    with LearnedServer(latency=options.latency) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
