"""The entry methods of frameworks' classes, wrapped where they stand, and put back.

Each class's own methods are, and those of classes that are made later: an entry is what its object
has under that name. A method stays the kind of function it was, and the same object for all that
inherit it, so that frameworks which compare or inspect their methods find what they expect.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import aclosing
from types import ModuleType
from typing import Any, Final

import wrapt

from ayo_bridge.adapter import adapters
from ayo_bridge.autorun.attached import attached_to, forget_all
from ayo_bridge.autorun.remembered import REMEMBERED
from ayo_bridge.autorun.reports import SNAPSHOTS, asked_for
from ayo_bridge.autorun.tracebacks import SHOWN
from ayo_bridge.bindings.binding import Binding, beneath
from ayo_bridge.errors import keep_quiet
from ayo_bridge.lift.entries import Base
from ayo_bridge.lift.hooked import below, keep_below
from ayo_bridge.seam import current_scope

_logger: Final = logging.getLogger(__name__)
Method = Callable[..., Any]


class Hooks:
    """All that is put on frameworks in this process."""

    def __init__(self) -> None:
        self._on = False
        self._bases: dict[type, Base] = {}
        self._waited_for: set[Base] = set()
        self._bindings: list[Binding] = []
        self.remember = False

    def __reduce__(self) -> str:
        """Those of the process where they are unpickled: a hooked class may be sent by value."""
        return "HOOKS"

    def install(self) -> None:
        """Wrap the entries of classes that are there, and of others once they are. Idempotent."""
        if self._on:
            return
        self._on = True
        keep_quiet(True)
        SHOWN.install()
        self.remember = asked_for()
        known = adapters()
        self._bindings = [
            binding for each in known for binding in each.followed() if not binding.followed
        ]
        for base in (base for each in known for base in each.bases):
            if base in self._waited_for:
                self._imported(base, None)
            else:
                self._waited_for.add(base)
                hook = functools.partial(self._imported, base)
                wrapt.register_post_import_hook(hook, base.module)

    def uninstall(self) -> None:
        """Put everything back: each class has what it had, and engine libraries too. Idempotent.

        What somebody has wrapped again since then stays, and lets every call through.
        """
        if not self._on:
            return
        self._on = False
        keep_quiet(False)
        SHOWN.uninstall()
        for binding in self._bindings:  # They are over the hooks.
            binding.uninstall()
        self._bindings.clear()
        for cls in self._bases:
            for each in (cls, *_derived(cls)):
                _put_back(each)
        self._bases.clear()
        forget_all()

    def _imported(self, base: Base, _: ModuleType | None) -> None:
        cls = getattr(sys.modules.get(base.module), base.name, None)
        if not self._on or not isinstance(cls, type) or cls in self._bases:
            return
        self._bases[cls] = base
        names = tuple(entry.name for entry in base.entries)
        _watch(cls, names, self)
        for each in (cls, *_derived(cls)):
            self.wrap(each, names)

    def wrap(self, cls: type, names: tuple[str, ...]) -> None:
        """Wrap what a class itself has under these names."""
        if not self._on:
            return
        for name in names:
            function = vars(cls).get(name)
            ours = below(function) is not function
            abstract = getattr(function, "__isabstractmethod__", False)
            if inspect.isfunction(function) and not ours and not abstract:
                _set(cls, name, _hooked(name, function, self), function)

    def entered(self, obj: Any, name: str, method: Method) -> Method | None:
        """How ``obj`` is called here, if the application calls it; ``None``: as it is.

        Who calls from inside of a call that is followed is not the application. Nor is an entry
        what a method of a derived class reaches by ``super()``.
        """
        if not self._on or current_scope() is not None:
            return None
        if getattr(type(obj), name, None) is not method and not _followed(obj, name, method):
            return None
        kept = attached_to(obj, remember=self.remember)
        if self.remember:
            SNAPSHOTS.begin()
            REMEMBERED.changed()
        return None if kept is None else kept.methods.get(name)


def _followed(obj: Any, name: str, method: Method) -> bool:
    """Whether an object has a method of ours under a name, which a binding has wrapped since."""
    found = next((vars(each)[name] for each in type(obj).__mro__ if name in vars(each)), None)
    return beneath(found) is method


def _derived(cls: type) -> set[type]:
    found: set[type] = set()
    todo = [cls]
    while todo:
        below_it: list[type] = type.__subclasses__(todo.pop())
        new = [each for each in below_it if each not in found]
        found.update(new)
        todo += new
    return found


def _set(cls: type, name: str, ours: Any, before: Any) -> None:
    keep_below(ours.__func__ if isinstance(ours, classmethod) else ours, before)
    type.__setattr__(cls, name, ours)


def _put_back(cls: type) -> None:
    for name, value in [*vars(cls).items()]:
        value = value.__func__ if isinstance(value, classmethod) else value
        if isinstance(value, wrapt.FunctionWrapper):  # A binding that was there before us.
            _take_from_under(value)
            continue
        before = below(value)
        if before is _NOTHING:
            type.__delattr__(cls, name)
        elif before is not value:
            type.__setattr__(cls, name, before)


def _take_from_under(wrapper: Any) -> None:
    while isinstance(wrapper.__wrapped__, wrapt.FunctionWrapper):
        wrapper = wrapper.__wrapped__
    before = below(wrapper.__wrapped__)
    if before is not wrapper.__wrapped__:
        wrapper.__wrapped__ = before


_NOTHING: Final = object()
"""What a class had under a name that it did not have."""


def _watch(base: type, names: tuple[str, ...], hooks: Hooks) -> None:
    """Wrap the methods of classes derived from now on."""
    own = vars(base).get("__init_subclass__", _NOTHING)

    def __init_subclass__(cls: type, /, **kwargs: Any) -> None:
        if own is _NOTHING:
            super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]
        else:
            own.__get__(None, cls)(**kwargs)
        hooks.wrap(cls, names)

    _set(base, "__init_subclass__", classmethod(__init_subclass__), own)


# Methods.


def _hooked(name: str, function: Any, hooks: Hooks) -> Method:
    """A method in the place of ``function``, which calls it or what its object has for it."""
    if inspect.iscoroutinefunction(function):
        return _awaited(name, function, hooks)
    if inspect.isasyncgenfunction(function):
        return _astreamed(name, function, hooks)
    if inspect.isgeneratorfunction(function):
        return _streamed(name, function, hooks)

    @functools.wraps(function)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        fast = hooks.entered(self, name, method)
        if fast is None:
            return function.__get__(self, type(self))(*args, **kwargs)
        return fast(self, *args, **kwargs)

    return method


def _awaited(name: str, function: Any, hooks: Hooks) -> Method:
    @functools.wraps(function)
    async def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        fast = hooks.entered(self, name, method)
        if fast is None:
            return await function.__get__(self, type(self))(*args, **kwargs)
        return await fast(self, *args, **kwargs)

    return method


def _streamed(name: str, function: Any, hooks: Hooks) -> Method:
    @functools.wraps(function)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        fast = hooks.entered(self, name, method)
        if fast is None:
            return (yield from function.__get__(self, type(self))(*args, **kwargs))
        return (yield from fast(self, *args, **kwargs))

    return method


def _astreamed(name: str, function: Any, hooks: Hooks) -> Method:
    @functools.wraps(function)
    async def method(self: Any, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        fast = hooks.entered(self, name, method)
        if fast is None:
            stream = function.__get__(self, type(self))(*args, **kwargs)
        else:
            stream = fast(self, *args, **kwargs)
        async with aclosing(stream) as steps:
            async for item in steps:
                yield item

    return method


HOOKS: Final = Hooks()
"""Those of this process."""
