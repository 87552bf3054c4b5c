"""Bindings: the interception of one engine library at its lowest stable call.

A binding wraps functions of a library once, can be taken off again, and is skipped with a reason
when the library is missing or outside the tested range. It imports nothing: until the application
imports a module, the wrappers of its functions wait. They are pass-throughs wherever no scope is
active, so the original object and an accelerated one live side by side in one process.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, Final

import wrapt
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ayo_bridge.bindings.wrapped import WrappedFunction
from ayo_bridge.errors import UnsupportedVersionWarning, announce
from ayo_bridge.events import Event, Facts, log

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""``wrapper(wrapped, instance, args, kwargs)``, as :mod:`wrapt` calls it."""


Restore = Callable[[], None]
_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A function to wrap: ``module`` and the dotted ``attribute`` in it.

    One of another module that this one has imported (``inspect.signature``) is wrapped as this
    module sees it, and for nobody else.
    """

    module: str
    attribute: str
    wrapper: Wrapper


@dataclass(eq=False)
class Binding:
    """The wrappers of one library.

    ``tested`` is the half-open range of versions ``(from, before)`` of ``distribution`` that the
    wrappers were written for. Thread-safe, also across a fork.
    """

    name: str
    distribution: str
    tested: tuple[str, str]
    targets: tuple[Target, ...]
    builds: tuple[str, ...] = ()
    """Distributions that bring the same library for other machines."""
    served: bool = False
    """Most have the library to serve others: another version is no news until it is loaded."""
    modules: tuple[str, ...] = field(init=False)
    """The modules of the targets."""
    _wanted: bool = field(default=False, init=False)
    """The wrappers are on, or go on as soon as their modules are imported."""
    _refusal: str = field(default="", init=False)
    _on: dict[str, list[Restore]] = field(default_factory=dict, init=False)
    """What takes the wrappers off again, by module."""
    _hooked: set[str] = field(default_factory=set, init=False)
    """Modules whose import will tell us, also where nobody wants to know any more."""

    def __post_init__(self) -> None:
        """Gather the modules, each once."""
        self.modules = tuple(dict.fromkeys(target.module for target in self.targets))

    @property
    def waiting(self) -> tuple[str, ...]:
        """The modules that have to be imported before their wrappers go on."""
        if not self._wanted or len(self._on) == len(self.modules):  # asked at every lift
            return ()
        return tuple(name for name in self.modules if name not in self._on)

    @property
    def installed(self) -> bool:
        """Whether all wrappers are on."""
        return self._wanted and not self.waiting

    @property
    def followed(self) -> bool:
        """Whether no call of the library escapes: its wrappers are on, or it was never imported."""
        return self._wanted

    @property
    def loaded(self) -> bool:
        """Whether the application has imported something of the library."""
        return any(sys.modules.get(name) is not None for name in self.modules)

    @property
    def status(self) -> str:
        """What has become of the wrappers, in words."""
        if not self._wanted:
            return self._refusal or "not installed"
        waiting = self.waiting
        if not waiting:
            return "installed"
        waits = f"waits until {', '.join(waiting)} {'is' if len(waiting) == 1 else 'are'} imported"
        return f"installed in part, {waits}" if self._on else waits

    def unsupported(self) -> str | None:
        """Why the library cannot be bound here, or ``None`` if it can. Imports nothing."""
        found = self._version()
        if found is None:
            return f"{self.distribution} is not installed"
        if _within(found, *self.tested):
            return None
        low, high = self.tested
        return (
            f"{self.distribution} {found} is outside the tested range "
            f"[{low}, {high}); its calls pass through unaccelerated"
        )

    def _version(self) -> str | None:
        for distribution in (self.distribution, *self.builds):
            with suppress(PackageNotFoundError):
                return version(distribution)
        return None

    def install(self) -> bool:
        """Put the wrappers on, now or when their modules are imported. Idempotent.

        Returns whether the calls of the library are followed.

        Warns:
            UnsupportedVersionWarning: the library is there in a version that was not tested.
        """
        if not self._wanted:
            reason = self.unsupported()
            if reason is not None:
                unused = self.served and not self.loaded
                self._refuse(reason, missing=unused or "outside" not in reason)
                return False
            with _lock:
                self._wanted, self._refusal = True, ""
                _count_change()
        self.catch_up()
        return self._wanted

    def uninstall(self) -> None:
        """Take the wrappers off, unless somebody has wrapped the functions again since.

        Those that wait for an import are withdrawn.
        """
        self._take_off("")

    def catch_up(self) -> None:
        """Put wrappers on whose modules are there by now. Costs nothing once all are on."""
        for name in self.waiting:
            module = sys.modules.get(name)
            if module is None and name not in self._hooked:
                self._hooked.add(name)
                wrapt.register_post_import_hook(partial(self._imported, name), name)
                module = sys.modules.get(name)  # by another thread, just before the hook was there
            if module is not None:
                if _initialising(module):
                    # Another thread is at it: wait for that one, or its first calls would escape.
                    module = importlib.import_module(name)
                self._put_on(name, module, complete=not _initialising(module))

    def _imported(self, name: str, module: ModuleType) -> None:
        """The application has just imported a module; what is raised here would break that."""
        self._hooked.discard(name)
        if name not in self.waiting:
            return
        reason = self.unsupported()  # Upgraded since, in a notebook.
        if reason is not None:
            self._refuse(reason)
            return
        # Some modules put another object in their place.
        self._put_on(name, sys.modules.get(name) or module, complete=True)

    def _put_on(self, name: str, module: ModuleType, *, complete: bool) -> None:
        """Wrap all targets of a module or, where one is not there, none of the library."""
        places = []
        for target in self.targets:
            if target.module != name:
                continue
            try:
                parent, attribute, _ = wrapt.resolve_path(module, target.attribute)
            except AttributeError:
                if complete:
                    self._refuse(
                        f"{self.distribution} has no {name}.{target.attribute}; "
                        "its calls pass through unaccelerated"
                    )
                return
            places.append((parent, attribute, target.wrapper))
        with _lock:
            new = self._wanted and name not in self._on
            if new:
                self._on[name] = [_wrap(module, *place) for place in places]
                _count_change()
        if new and self.installed:
            facts = Facts(library=self.distribution)
            log(_logger, Event.BOUND, f"{self.name}: its calls are followed", facts)

    def _refuse(self, reason: str, *, missing: bool = False) -> None:
        self._take_off(reason)
        facts = Facts(library=self.distribution, reason=reason)
        log(_logger, Event.NOT_BOUND, f"{self.name}: {reason}", facts)
        if not missing:
            announce(reason, UnsupportedVersionWarning, stacklevel=4)

    def _take_off(self, reason: str) -> None:
        with _lock:
            if self._wanted:
                _count_change()
            self._wanted, self._refusal = False, reason
            for restore in [restore for on in self._on.values() for restore in on][::-1]:
                restore()
            self._on.clear()


def _within(found: str, low: str, high: str) -> bool:
    """Whether a version is in a half-open range; one before ``high`` itself (a ``rc``) is not."""
    try:
        return SpecifierSet(f">={low},<{high}").contains(Version(found), prereleases=True)
    except InvalidVersion:
        return False


def _initialising(module: ModuleType) -> bool:
    """Whether the module's own code is still running (what importlib itself goes by)."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


_lock: Final = threading.Lock()
"""Held for moments, never while something is imported: an import waits for locks of its own."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire,
        after_in_parent=_lock.release,
        after_in_child=_lock._at_fork_reinit,  # type: ignore[attr-defined]
    )

_changes = 0


def _count_change() -> None:
    global _changes
    _changes += 1


def changes() -> int:
    """How often wrappers went on or off in this process, or a binding came to wait or gave up."""
    return _changes


def unfollowed(bindings: Iterable[Binding]) -> str | None:
    """Why calls of a library are not seen, or ``None`` if they are.

    ``bindings`` are alternatives, and one is enough. One that waits has missed nothing, since its
    library was never imported; but if another that is refused has been, that one is in use.

    What is not seen must not run ahead: nobody would ever ask for the results.
    """
    refused = []
    waits = False
    for binding in bindings:
        binding.catch_up()
        if binding.installed:
            return None
        waits = waits or binding.followed
        if not binding.followed:
            refused.append(binding)
    used = [binding for binding in refused if binding.loaded]
    if waits and not used:
        return None
    return f"its calls cannot be followed: {'; '.join(b.status for b in used or refused)}"


def beneath(function: Any) -> Any:
    """What a function was before bindings wrapped it; any other is itself."""
    while isinstance(function, WrappedFunction):
        function = function.__wrapped__
    return function


class _View(ModuleType):
    """A module as one other module sees it: with some functions of its own."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        self._ayo_module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ayo_module, name)


def _viewed(module: ModuleType, other: ModuleType, name: str, wrapper: Wrapper) -> Restore:
    """Wrap a function of another module, as a module sees that."""
    place = next(key for key, value in vars(module).items() if value is other)
    view = _View(other)
    setattr(view, name, WrappedFunction(vars(other)[name], wrapper))
    setattr(module, place, view)

    def restore() -> None:
        if vars(module).get(place) is view:
            setattr(module, place, other)

    return restore


def _wrap(module: ModuleType, parent: Any, name: str, wrapper: Wrapper) -> Restore:
    """Wrap one function; returns what takes the wrapper off again."""
    if isinstance(parent, ModuleType) and parent is not module:
        return _viewed(module, parent, name, wrapper)
    inherited = isinstance(parent, type) and name not in vars(parent)
    own = getattr(parent, name) if inherited else vars(parent)[name]
    proxy: Any = WrappedFunction(own, wrapper)
    proxy._self_ayo_inherited = inherited
    setattr(parent, name, proxy)

    def restore() -> None:
        above, found = None, vars(parent).get(name)
        while found is not proxy and isinstance(found, WrappedFunction):
            above, found = found, found.__wrapped__
        if found is not proxy:  # Somebody has wrapped it again.
            return
        if above is not None:  # Another binding has.
            above.__wrapped__ = proxy.__wrapped__
            above._self_ayo_inherited = proxy._self_ayo_inherited
        elif proxy._self_ayo_inherited:
            delattr(parent, name)
        else:
            setattr(parent, name, proxy.__wrapped__)

    return restore
