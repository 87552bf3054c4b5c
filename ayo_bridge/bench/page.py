"""A report as one HTML page of charts and tables, which needs no network.

What draws it comes with the extra ``bench``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from ayo_bridge.bench.report import Report

_NEEDED: Final = ("altair", "jinja2", "vl_convert")


def missing() -> str:
    """Why no page can be written, and what to install; empty if one can."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if not lacking:
        return ""
    return (
        f"--page needs {', '.join(lacking)}: pip install 'ayo-bridge[bench]'; the table and --json "
        "do without"
    )


def as_html(report: Report) -> str:
    """The page.

    Raises:
        ImportError: :func:`missing` says what is to be installed.
    """
    from ayo_bridge.bench.drawn import page

    return page(report)


__all__ = ["as_html", "missing"]
