"""Pages as headless Chromium lays them out, at several widths at once.

Each page stands in a frame of the width that is wanted: windows of headless Chromium are at least
500 pixels wide, frames are not, and media queries go by the frame. One run looks at all of them.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MEASURE = Path(__file__).with_name("measure.js")
_COLLECT = """
const found = [];
addEventListener("message", event => {
  found.push(JSON.parse(event.data));
  document.querySelector("#found").textContent = JSON.stringify(found);
});
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A page at a width, all that can be opened being open."""

    width: int
    """Of the window, in pixels, as the page sees it."""
    wide: int
    """Pixels by which the page is wider than its window."""
    overlaps: Sequence[str]
    """Pairs of texts that stand on top of each other."""
    cut: Sequence[str]
    """Texts that reach out of their drawing."""
    texts: int
    charts: int


def chromium() -> str | None:
    """The browser's command, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def looked_at(
    command: str, pages: Mapping[str, Path], widths: Sequence[int], folder: Path
) -> dict[tuple[str, int], Seen]:
    """Lay out all pages at all widths.

    Raises:
        RuntimeError: the browser failed, or a page's own scripts did.
    """
    frames = []
    for name, page in pages.items():
        for width in widths:
            copy = folder / f"{name}-{width}.html"
            copy.write_text(_measuring(page.read_text("utf-8"), f"{name}-{width}"), "utf-8")
            frames.append(
                f'<iframe src="{html.escape(copy.name)}" width="{width}" height="900" '
                'style="border: 0; display: block"></iframe>'
            )
    around = folder / "frames.html"
    around.write_text(
        f'<!doctype html><meta charset="utf-8"><pre id="found"></pre>'
        f"<script>{_COLLECT}</script>{''.join(frames)}",
        "utf-8",
    )
    found = {each["page"]: each for each in _run(command, around, folder)}
    seen = {}
    for name in pages:
        for width in widths:
            each = found.get(f"{name}-{width}", {"error": "it told nothing"})
            if "error" in each:
                raise RuntimeError(f"{name} at {width} px: {each['error']}")
            del each["page"]
            seen[name, width] = Seen(**each)
    return seen


def _measuring(page: str, name: str) -> str:
    script = f'<script data-page="{html.escape(name)}">{_MEASURE.read_text("utf-8")}</script>'
    head, end, rest = page.rpartition("</body>")
    return f"{head}{script}{end}{rest}" if end else page + script


def _run(command: str, page: Path, folder: Path) -> list[dict[str, Any]]:
    options = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
        # Telephones lay their scroll bars over the page.
        *("--hide-scrollbars", "--window-size=1500,1000"),
        *("--virtual-time-budget=20000", "--dump-dom"),
    )
    ran = subprocess.run(
        [command, *options, f"--user-data-dir={folder / 'profile'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = re.search(r'<pre id="found">(.*?)</pre>', ran.stdout, re.DOTALL)
    if said is None or not said[1]:
        raise RuntimeError(f"{command} ended with {ran.returncode}: {ran.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads(html.unescape(said[1]))
    return found
