"""Server-sent events: bytes in, the data of complete events out."""

from __future__ import annotations


class EventParser:
    """Cuts a byte stream into events; a chunk may hold several, or a part of one.

    Comments (servers send them to keep a connection alive) and other fields are skipped.
    """

    __slots__ = ("_data", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that this chunk completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events: list[str] = []
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
            elif not line and self._data:
                events.append("\n".join(self._data))
                self._data = []
        return events
