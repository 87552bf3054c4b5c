"""Whose code a module is: the program's own, or that of a library which it uses."""

from __future__ import annotations

import functools
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import distributions
from typing import Final

_LIBRARIES: Final = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
OURS: Final = frozenset({"ayo_bridge", "ayo_langchain", "ayo_llamaindex", "ayo_python"})


def is_standard(module: str | None) -> bool:
    """Whether it is one of Python's own."""
    root = (module or "builtins").partition(".")[0]
    return root in sys.stdlib_module_names and root != "__main__"


@functools.lru_cache(maxsize=4096)
def is_own(module: str | None) -> bool:
    """Whether a module is the program's: no library's, and none of ours.

    A program may be installed as libraries are. Then it came from a folder, an archive or a
    repository, and not from an index, which its installer has noted (PEP 610).
    """
    if module is None or is_standard(module):
        return False
    root = module.partition(".")[0]
    if root in OURS:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    installed = file is not None and (
        file.startswith(_LIBRARIES) or "site-packages" in file or "dist-packages" in file
    )
    return not installed or root in _from_elsewhere(tuple(sys.path))


@functools.lru_cache(maxsize=4)
def _from_elsewhere(path: Iterable[str]) -> frozenset[str]:
    """The packages and modules that were installed from no index."""
    files = (
        each.files or ()
        for each in distributions(path=[*path])
        if each.read_text("direct_url.json") is not None
    )
    return frozenset(each.parts[0].removesuffix(".py") for some in files for each in some)


__all__ = ["OURS", "is_own", "is_standard"]
