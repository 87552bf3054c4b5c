"""Roles of docstrings (``:func:`name```) are shown as the names alone."""

from __future__ import annotations

import re
from typing import Any, Final

_ROLE: Final = re.compile(r":(?:attr|class|data|func|meth|mod):(<code>)(?:~(?:\w+\.)*)?")


def on_page_content(html: str, **page: Any) -> str:
    """Called by MkDocs with the text of a page."""
    return _ROLE.sub(r"\1", html)
