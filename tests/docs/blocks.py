"""The documents that users read, and the fenced blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = REPOSITORY / "docs" / "pages"
BESIDE: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "examples/apps/README.md",
    "benchmarks/apps/arms/README.md",
    "benchmarks/learned/README.md",
    "benchmarks/paper/README.md",
)
DOCUMENTS: Final = (*(REPOSITORY / each for each in BESIDE), *sorted(PAGES.glob("*.md")))
_FENCE: Final = re.compile(r"(?P<indent> *)```(?P<language>\w*)[^`]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences.

    ``line`` is the number of its first line in the document, from 1.
    """

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.document)}:{self.line}"


def name_of(document: Path) -> str:
    """What a document is called: pages by their names, others by their paths."""
    return document.stem if document.parent == PAGES else str(document.relative_to(REPOSITORY))


def blocks_of(document: Path) -> Iterator[Block]:
    """The blocks of a document, in order; the indentation of a fence is taken off its lines."""
    lines = document.read_text("utf-8").splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        at += 1
        if opened is None:
            continue
        indent, first = len(opened["indent"]), at
        while lines[at].strip() != "```":
            at += 1
        text = "\n".join(line[indent:] for line in lines[first:at])
        yield Block(document, first + 1, opened["language"], text)
        at += 1


def blocks(language: str) -> list[Block]:
    """All blocks of a language, in all documents."""
    return [each for one in DOCUMENTS for each in blocks_of(one) if each.language == language]
