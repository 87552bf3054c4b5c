"""Tokens of the emulated model: pieces of a text, about four characters each.

Any text is cut the same way wherever it stands behind white space, so equal beginnings of prompts
are equal tokens, and an answer that a later prompt quotes is the tokens that were decoded.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.simulate import Prompt

Tokens = tuple[Hashable, ...]
"""Pieces of a text, or the ids that a client has sent."""

_PIECE: Final = re.compile(
    r" ?[A-Za-z]{1,6}|[^\W\d_A-Za-z]{1,2}|\d{1,3}| ?(?:[^\w\s]|_){1,4}|\s+(?!\S)|\s+"
)


def pieces(text: str) -> list[str]:
    """Cut a text into tokens; joined, they are the text."""
    return _PIECE.findall(text)


def rendered(
    messages: Iterable[Mapping[str, Any]], *, open_ended: bool = False, answers: bool = True
) -> str:
    """A chat as one text.

    ``open_ended`` leaves the last message without an end; else ``answers`` begins the model's turn.
    """
    text = "".join(
        f"<|{message.get('role', 'user')}|>\n{content(message)}\n" for message in messages
    )
    if open_ended:
        return text[:-1]
    return f"{text}<|assistant|>\n" if answers else text


def content(message: Mapping[str, Any]) -> str:
    """The text of a message, of all its parts where it has several."""
    said = message.get("content")
    if isinstance(said, str):
        return said
    parts = said if isinstance(said, list) else []
    return "".join(
        part if isinstance(part, str) else str(part.get("text", ""))
        for part in parts
        if isinstance(part, str | dict)
    )


def segments(tokens: Sequence[Hashable], block: int) -> Prompt:
    """Tokens as the simulator takes them: a segment for each block of the cache."""
    return tuple(
        (tuple(tokens[at : at + block]), min(block, len(tokens) - at))
        for at in range(0, len(tokens), block)
    )
