"""Tells when a framework is about to be imported. Costs an interpreter next to nothing.

``wrapt`` has such hooks too, and takes as long to import as an interpreter takes to start: it comes
with the framework.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # Importing typing takes half as long as starting an interpreter.
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Final

FRAMEWORKS: Final = ("llama_index.core", "workflows", "langchain_core")
"""Each is the first package that a program imports of a framework's base classes."""


class Finder:
    """Finds nothing itself, and calls ``before`` once: just before a framework's code runs."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the others find, with a loader that tells; ``None`` for most modules."""
        if name not in FRAMEWORKS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self._once)  # type: ignore[assignment]
                return spec
        return None

    def put_on(self) -> None:
        """Listen from now on."""
        sys.meta_path.insert(0, self)

    def take_off(self) -> None:
        """Listen no longer. Idempotent."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def _once(self) -> None:
        self.take_off()
        self._before()


class _Telling:
    """A loader that leaves no trace in the module that it loads."""

    def __init__(self, loader: Any, before: Callable[[], None]) -> None:
        self._loader = loader
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader itself makes it."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Tell, and run the module's code."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._before()
        self._loader.exec_module(module)
