"""A line of a server's log, as people want to read it while they wait."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PROCESS: Final = re.compile(r"^\(\w+(?: pid=\d+)?\)\s*")
_PREFIX: Final = re.compile(r"^[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\]\s*)+")


def in_words(line: str) -> str:
    """What a line says: without colours, the process, the time and the place in vLLM's code.

    A bar that draws itself over and over says what it said last.
    """
    shown = _ESCAPES.sub("", line).rstrip().rpartition("\r")[2].strip()
    words = _PREFIX.sub("", _PROCESS.sub("", shown))
    return "".join(character for character in words if character.isprintable())
