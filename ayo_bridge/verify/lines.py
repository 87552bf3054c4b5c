"""Files that hold one thing a line: a text, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def lines_of(path: Path) -> list[str]:
    """The lines of a file, without the mark of its encoding that some editors put first.

    A line ends where editors end one: a separator of Unicode or a form feed is text of it.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    return path.read_text("utf-8-sig").split("\n")


def json_of(line: str) -> Any:
    """What a line says as JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


__all__ = ["json_of", "lines_of"]
