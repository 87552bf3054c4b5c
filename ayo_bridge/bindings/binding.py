"""Bindings: the interception of one engine library at its lowest stable call.

A binding wraps functions of a library once, can be taken off again, and is skipped with a reason
when the library is missing or outside the tested range. Its wrappers are pass-throughs wherever no
scope is active, so the original object and an accelerated one live side by side in one process.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import wrapt

from ayo_bridge.errors import UnsupportedVersionWarning

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""``wrapper(wrapped, instance, args, kwargs)``, as :mod:`wrapt` calls it."""


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``"0.14.25+cpu"`` is ``(0, 14, 25)``."""
    numbers = []
    for part in text.split("+")[0].split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits or not part[0].isdigit():
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


@dataclass(frozen=True, slots=True)
class Target:
    """A function to wrap: ``module`` and the dotted ``attribute`` in it."""

    module: str
    attribute: str
    wrapper: Wrapper


@dataclass
class Binding:
    """The wrappers of one library.

    ``tested`` is the half-open range of versions ``(from, before)`` of ``distribution`` that the
    wrappers were written for.
    """

    name: str
    distribution: str
    tested: tuple[str, str]
    targets: tuple[Target, ...]
    status: str = "not installed"
    _restore: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def installed(self) -> bool:
        """Whether the wrappers are on."""
        return bool(self._restore)

    def unsupported(self) -> str | None:
        """Why the library cannot be bound here, or ``None`` if it can."""
        try:
            found = version(self.distribution)
        except PackageNotFoundError:
            return f"{self.distribution} is not installed"
        low, high = self.tested
        if not parse_version(low) <= parse_version(found) < parse_version(high):
            return (
                f"{self.distribution} {found} is outside the tested range "
                f"[{low}, {high}); its calls pass through unaccelerated"
            )
        return None

    def install(self) -> bool:
        """Put the wrappers on; returns whether they are. Idempotent.

        Warns:
            UnsupportedVersionWarning: the library is there in a version that was not tested.
        """
        with self._lock:
            if self._restore:
                return True
            reason = self.unsupported()
            if reason is not None:
                self.status = reason
                if "outside" in reason:
                    warnings.warn(reason, UnsupportedVersionWarning, stacklevel=3)
                return False
            for target in self.targets:
                self._restore.append(_wrap(target))
            self.status = "installed"
            _count_change()
            return True

    def uninstall(self) -> None:
        """Take the wrappers off, unless somebody has wrapped the functions again since."""
        with self._lock:
            while self._restore:
                self._restore.pop()()
            self.status = "not installed"
            _count_change()


_changes = 0


def _count_change() -> None:
    global _changes
    _changes += 1


def changes() -> int:
    """How often a binding has been put on or taken off in this process."""
    return _changes


def unfollowed(bindings: Iterable[Binding]) -> str | None:
    """Why calls of a library are not seen: none of its bindings is on. ``None`` if one is.

    What is not seen must not run ahead: nobody would ever ask for the results.
    """
    reasons = []
    for binding in bindings:
        if binding.installed:
            return None
        reasons.append(binding.status)
    return f"its calls cannot be followed: {'; '.join(reasons)}"


def _wrap(target: Target) -> Callable[[], None]:
    module = importlib.import_module(target.module)
    parent, name, original = wrapt.resolve_path(module, target.attribute)
    own = vars(parent).get(name, original) if isinstance(parent, type) else original
    inherited = isinstance(parent, type) and name not in vars(parent)
    proxy = wrapt.FunctionWrapper(own, target.wrapper)
    setattr(parent, name, proxy)

    def restore() -> None:
        if vars(parent).get(name) is proxy:
            if inherited:
                delattr(parent, name)
            else:
                setattr(parent, name, own)

    return restore
