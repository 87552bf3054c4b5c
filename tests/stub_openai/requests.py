"""A request as the server saw it, and the script of its reply."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
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
    target: str = ""
    """As the request line has it: a proxy is asked for a whole URL."""
    pairs: tuple[tuple[str, str], ...] = ()
    """The headers as they came: in their order, with their case, repeated ones too."""
    peer: tuple[str, int] | None = None
    """The address it came from; one connection has one."""

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


class Cut(Enum):
    """How a connection goes on after a reply that is not complete."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


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
    silent: bool = False
    """Hang up before anything of the reply is sent."""
    cut: Cut = Cut.CLOSE
    """What hanging up is."""
    ends_early: int | None = None
    """The reply ends as if it were complete, after this many bytes or events."""
    garbage: bool = False
    """What should be JSON is not."""
    restart: float | None = None
    """The server drops all connections, is away for so many seconds, and listens again."""
    latency: float | None = None
    together: int = 1
    """None of them is taken up before so many are there at once, or a patient while has passed.

    Whether they come at once does not depend on how busy the machine is then."""
    there: dict[Any, Callable[[], None]] = field(default_factory=dict)
    """Who waits for that, and how each is taken up."""
    times: int | None = None
