"""What MkDocs does not do by itself: names in docstrings, and no other host in any page."""

from __future__ import annotations

import re
from typing import Any, Final

from mkdocs.exceptions import PluginError

_ROLE: Final = re.compile(r":(?:attr|class|data|func|meth|mod):(<code>)(?:~(?:\w+\.)*)?")
_FETCHED: Final = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(?:https?:)?//[^>]*>")
_STYLED: Final = re.compile(
    r"<link\b(?![^>]*\brel=\"?(?:canonical|next|prev))[^>]*href=\"?https?://[^>]*>"
)


def on_page_content(html: str, **page: Any) -> str:
    """Roles of docstrings (``:func:`name```) become the names alone."""
    return _ROLE.sub(r"\1", html)


def on_post_page(output: str, page: Any, **site: Any) -> str:
    """The whole page.

    Raises:
        PluginError: something in it would be fetched from another host.
    """
    found = _FETCHED.search(output) or _STYLED.search(output)
    if found:
        raise PluginError(f"{page.file.src_uri} fetches from another host: {found.group()}")
    return output
