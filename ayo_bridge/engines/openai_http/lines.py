"""Streams that are a JSON document a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

LINES: Final = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl")
"""Their content types."""


def follow_lines(
    decode: Callable[[bytes], bytes],
    piece: Callable[[Any], str],
    told: Callable[[str], None] | None,
) -> Callable[[bytes], None]:
    """What takes the bytes of such a stream and tells the answer so far, as it grows.

    ``piece`` is the text that a document adds; ``decode`` takes the content encoding off.
    """
    text, rest = "", b""

    def on_chunk(chunk: bytes) -> None:
        nonlocal text, rest
        *lines, rest = (rest + decode(chunk)).split(b"\n")
        added = "".join(piece(json.loads(line)) for line in lines if line.strip())
        if added:
            text += added
            if told is not None:
                told(text)

    return on_chunk
