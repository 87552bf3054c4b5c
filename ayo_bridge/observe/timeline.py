"""The remembered calls of an accelerated object as a file to look at."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from ayo_bridge.observe.explain import explain_state
from ayo_bridge.observe.page import page
from ayo_bridge.observe.trace import chrome_trace
from ayo_bridge.runahead.state import AcceleratedState


def timeline_state(state: AcceleratedState, path: str | os.PathLike[str]) -> Path:
    """Write the timeline of an accelerated object; returns where it was written.

    ``.html`` gives a self-contained page, ``.json`` a Chrome trace for Perfetto. The file is
    written whole or not at all.

    Raises:
        ValueError: the name ends otherwise.
        OSError: the file cannot be written.
    """
    target = Path(path)
    records = state.history()
    match target.suffix.lower():
        case ".html":
            text = page(explain_state(state), records)
        case ".json":
            text = json.dumps(chrome_trace(state.target, records))
        case other:
            raise ValueError(
                f"a timeline is written as .html (a page) or .json (a Chrome trace for Perfetto), "
                f"not as {other or 'a file without suffix'!r}: {target}"
            )
    _write_whole(target, text)
    return target


def _write_whole(target: Path, text: str) -> None:
    """Write beside the target and move it there, so that no reader sees half a file."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
