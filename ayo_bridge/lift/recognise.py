"""Recognition by exact behaviour: an object is lifted only if its methods are the known ones.

One rule for every framework: the code of a method lies in the file of the module that its class
comes from, under that method's name. Between it and the class there may be decorators of packages
that the framework itself puts on its methods, and our own wrappers; anything else is foreign,
whatever it is called and wherever it lies. Names that a function carries prove nothing, since
``functools.wraps`` copies them.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from typing import Any, Final

import wrapt

from ayo_bridge.engines.originals import is_ours
from ayo_bridge.lift.hooked import below
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.lift.witness import Found, found, saw, stand, wavers


def class_of(obj: object) -> type:
    """The user's class: below the subclass ``accelerate`` makes, and below type parameters.

    ``RunnableParallel[dict[str, Any]]``, as ``.assign()`` makes it, is ``RunnableParallel``.
    """
    cls = type(obj)
    if state_of(obj) is not None:
        cls = cls.__mro__[1]
    generic = vars(cls).get("__pydantic_generic_metadata__")
    origin: type | None = generic.get("origin") if generic else None
    return origin or cls


def loaded(module: str, name: str) -> Any:
    """A class of a module that the application has imported; ``None``: nobody has one of it."""
    return getattr(sys.modules.get(module), name, None)


def is_a(obj: object, module: str, name: str) -> bool:
    """Whether an object is of a class that the application has imported, or of one derived from it.

    A proxy is what it says that it is.
    """
    cls = loaded(module, name)
    return cls is not None and isinstance(obj, cls)


def derives(cls: type, module: str, name: str) -> bool:
    """Whether a class is one that the application has imported, or derived from it."""
    known = loaded(module, name)
    return known is not None and issubclass(cls, known)


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Recognises the objects of one framework.

    Args:
        decorators: top-level packages whose decorators the framework puts on its own methods.
    """

    decorators: tuple[str, ...] = ()
    _fine: dict[tuple[type, tuple[str, ...]], list[Found]] = field(default_factory=dict)
    """Methods found to be the library's own, and where: as long as these stand, so does it."""

    def differs(self, obj: object, cls: type, *methods: str) -> str | None:
        """Why ``obj`` may not behave as ``cls`` does, or ``None`` if it certainly does.

        Subclasses count as different.
        """
        known = class_of(saw(obj))
        if known is not cls:
            return f"{known.__name__} is not {cls.__name__} itself"
        return self.overridden(obj, *methods)

    def overridden(self, obj: object, *methods: str) -> str | None:
        """Why one of ``methods`` is not the library's own, or ``None``."""
        cls = class_of(saw(obj))
        own = getattr(obj, "__dict__", None)
        if own:
            for name in methods:
                if name in own:
                    return f"{cls.__name__}.{name} is replaced on the instance"
        return self.replaced(cls, *methods)

    def replaced(self, cls: type, *methods: str) -> str | None:
        """Why one of a class's ``methods`` is not the library's own, or ``None``."""
        functions = self._fine.get((cls, methods), [])
        if not functions or not stand(functions):
            functions = []
            for name in methods:
                reason = self._foreign(cls, name, functions)
                if reason is not None:
                    wavers()  # A part of what it consists of may be changed unseen.
                    return reason
            self._fine[cls, methods] = functions
        found(functions)
        return None

    def borrows(self, module: str, name: str) -> bool:
        """Whether a module still has the function under ``name`` that it once imported."""
        space = vars(sys.modules[module])
        function = self._innermost(space.get(name), name)
        found([(space, name, space.get(name), ())])
        code = getattr(function, "__code__", None)
        of_package = _home(function).partition(".")[0] == module.partition(".")[0]
        return (
            of_package
            and _is_in_file_of(function, _home(function))
            and getattr(code, "co_name", "") == name
        )

    def _foreign(self, cls: type, name: str, functions: list[Found]) -> str | None:
        """Why ``name`` is not the library's own in some class: methods call the next by super()."""
        before: tuple[Any, ...] = ()
        owned = False
        for owner in cls.__mro__:
            space = vars(owner)
            if name in space and owner is not object:
                functions.append((space, name, space[name], () if owned else before))
                owned = True
                function = self._innermost(space[name], name)
                if not _is_written_in(function, owner, name):
                    return f"{cls.__name__}.{name} has been replaced by {_said(function)}"
            before = (*before, space)
        return None if owned else f"{cls.__name__} has no {name}"

    def _innermost(self, function: Any, name: str) -> Any:
        """The function under descriptors, our own wrappers and the framework's decorators."""
        while True:
            function = below(function)
            if isinstance(function, staticmethod | classmethod):
                function = function.__func__
            elif isinstance(function, property):
                function = function.fget
            elif isinstance(function, functools.cached_property):
                function = function.func
            elif isinstance(function, wrapt.FunctionWrapper | wrapt.BoundFunctionWrapper):
                wrapper = function._self_wrapper
                if not (is_ours(wrapper) or self._decorates(wrapper)):
                    return wrapper
                function = function.__wrapped__
            elif self._decorates(function) and (inner := _decorated(function, name)) is not None:
                function = inner
            else:
                return function

    def _decorates(self, function: Any) -> bool:
        """Whether a wrapper is written in a package whose decorators are known."""
        module = _home(function)
        return module.partition(".")[0] in self.decorators and _is_in_file_of(function, module)


PLAIN: Final = Recogniser()
"""For libraries that put no decorators on their methods."""


def _decorated(function: Any, name: str) -> Any:
    """The function that a decorator was put on: it says so, or holds it in its closure."""
    inner = getattr(function, "__wrapped__", None)
    if callable(inner):
        return inner
    for cell in getattr(function, "__closure__", None) or ():
        held = cell.cell_contents
        code = getattr(held, "__code__", None)
        if code is not None and held is not function and code.co_name == name:
            return held
    return None


def _is_written_in(function: Any, owner: type, name: str) -> bool:
    """Whether a function is the one that its class was written with."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_name != name:
        return False
    return _is_in_file_of(function, owner.__module__) or _is_moved(function, owner)


def _is_moved(function: Any, owner: type) -> bool:
    """Whether the class only says that it comes from elsewhere, as those of the OpenAI SDK do."""
    home = _home(function)
    return (
        home.partition(".")[0] == owner.__module__.partition(".")[0]
        and vars(sys.modules.get(home, object)).get(owner.__name__) is owner
        and _is_in_file_of(function, home)
    )


def _is_in_file_of(function: Any, module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    code = getattr(function, "__code__", None)
    return file is not None and code is not None and bool(code.co_filename == file)


def _home(function: Any) -> str:
    """The module that a function was defined in: what it is called by can be copied, this not."""
    name = getattr(function, "__globals__", {}).get("__name__", "")
    return name if isinstance(name, str) else ""


def _said(function: Any) -> str:
    module = _home(function) or type(function).__module__
    code = getattr(function, "__code__", None)
    qualified = getattr(code, "co_qualname", None) or type(function).__qualname__
    return f"{module}.{qualified}"
