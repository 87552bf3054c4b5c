"""A request as the server saw it, and the script of its reply."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(eq=False)
class StubRequest:
    """One request as the server saw it. Times are `perf_counter` seconds."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    arrived: float
    ended: float | None = None
    status: int | None = None
    aborted: bool = False
    """The client hung up before the reply was complete."""
    body: Body = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The text of the prompt, the messages of a chat one a line."""
        if "messages" in self.body:
            return "\n".join(_content(message) for message in self.body["messages"])
        prompt = self.body.get("prompt", "")
        return prompt if isinstance(prompt, str) else json.dumps(prompt)

    @property
    def mark(self) -> str | None:
        """`warm` or `probe` on requests that no original made."""
        return self.headers.get("x-ayo-bridge")


def _content(message: Body) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


@dataclass
class Script:
    """What to reply to the requests that `predicate` picks; `times` of them, or all."""

    predicate: Callable[[StubRequest], bool]
    text: str | Callable[[StubRequest], str] | None = None
    status: int | None = None
    content: bytes | None = None
    headers: Sequence[tuple[str, str]] = ()
    disconnect: int | None = None
    """Hang up after this many bytes (plain) or events (stream) of the reply's body."""
    latency: float | None = None
    times: int | None = None
