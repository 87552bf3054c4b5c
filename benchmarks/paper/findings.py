"""What the results say, and why: the text of the page."""

from __future__ import annotations

from typing import Final

FINDINGS: Final[dict[str, tuple[str, ...]]] = {"summary": ()}
