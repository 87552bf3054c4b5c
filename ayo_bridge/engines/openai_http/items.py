"""Items of a list that a model writes line by line, each as soon as it can no longer change.

One class for each parser of the frameworks; at the end the items are exactly those that the
parser makes of the whole text (tests fuzz this against the originals).
"""

from __future__ import annotations

from typing import Protocol


class ItemParser(Protocol):
    """Incremental counterpart of a framework's list parser."""

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Items that have become certain, with their places; ``text`` is the answer so far."""

    def finish(self, text: str) -> list[tuple[int, str]]:
        """The remaining items; ``text`` is the whole answer."""


class _Counting:
    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._emitted = 0

    def _new(self, certain: list[str]) -> list[tuple[int, str]]:
        if self._limit is not None:
            certain = certain[: self._limit]
        new = list(enumerate(certain))[self._emitted :]
        self._emitted += len(new)
        return new


class LineItems(_Counting):
    """``text.strip(strip).split("\\n")``, each line stripped, empty ones dropped, first ``limit``.

    That is LlamaIndex's rule for generated queries (``QueryFusionRetriever._get_queries``, 0.14,
    with backticks). A line that has ended cannot change: what is stripped off the end of the whole
    text never crosses a line break, unless ``strip`` has one in it.
    """

    def __init__(self, limit: int | None = None, strip: str = "`") -> None:
        if "\n" in strip:
            raise ValueError("strip must not contain a line break")
        super().__init__(limit)
        self._strip = strip

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Items of the lines that have ended."""
        return self._new(_stripped(text.lstrip(self._strip).split("\n")[:-1]))

    def finish(self, text: str) -> list[tuple[int, str]]:
        """The remaining items."""
        return self._new(_stripped(text.strip(self._strip).split("\n")))


class LineList(_Counting):
    """``text.strip().split("\\n")`` minus empty lines: LangChain's ``LineListOutputParser`` (1.0).

    Lines keep their own white space, so a line that ends with some is certain only when something
    follows that is not white space: until then the strip may reach it.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit)

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Items that no strip of the rest can reach."""
        text = text.lstrip()
        solid = text.rstrip()
        lines = solid.split("\n")
        if not text.startswith("\n", len(solid)):
            lines.pop()
        return self._new(list(filter(None, lines)))

    def finish(self, text: str) -> list[tuple[int, str]]:
        """The remaining items."""
        return self._new(list(filter(None, text.strip().split("\n"))))


def _stripped(lines: list[str]) -> list[str]:
    return [line for line in map(str.strip, lines) if line]
