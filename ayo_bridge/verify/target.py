"""The object to verify, by the name under which a program has it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from ayo_bridge.adapter import adapters
from ayo_bridge.lift.adapter import Accelerator
from ayo_bridge.lift.entry import Entry, Kind
from ayo_bridge.lift.functions import called_of, original_of
from ayo_bridge.lift.shows import Given, Shows
from ayo_bridge.verify.arms import kind_called
from ayo_bridge.verify.fitting import MODULE, VerifyError, fitted

Question = str | dict[str, Any] | list[Any]
"""A text, named inputs, or documents."""


@dataclass(frozen=True, slots=True)
class Target:
    """``app.py:engine`` or ``package.module:app.chain``: where, and the name in it."""

    where: str
    name: str

    @classmethod
    def of(cls, text: str) -> Target:
        """A target as it is written.

        Raises:
            VerifyError: it is none. Nothing is imported to see that.
        """
        where, colon, name = text.rpartition(":")
        if not (where and colon and all(part.isidentifier() for part in name.split("."))):
            raise VerifyError(
                f"name the object as app.py:engine or package.module:name, not {text}"
            )
        if where.endswith(".py") and not Path(where).is_file():
            raise VerifyError(f"there is no file {where}")
        return cls(where, name)

    @property
    def module(self) -> ModuleType:
        """What it is in, once it has been loaded."""
        return sys.modules[MODULE if self.where.endswith(".py") else self.where]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object that an adapter knows, and the method of it that is called."""

    obj: Any
    adapter: Accelerator
    entry: Entry | None
    """``None``: it is a function, and called itself."""

    @property
    def shows(self) -> Shows:
        """What is known of what it answers."""
        return self.adapter.shows

    @property
    def what(self) -> str:
        """What it is."""
        return type(self.obj).__name__

    @property
    def named(self) -> str:
        """What is called."""
        return type(self.obj).__name__ if self.entry is None else self.entry.name

    def call(self, obj: Any) -> tuple[Callable[..., Any], Kind]:
        """What is called of ``obj``, which is this object or an accelerated one, and its kind."""
        if self.entry is None:
            return obj, kind_called(obj)
        return getattr(obj, self.entry.name), self.entry.seen

    def key(self, key: Hashable) -> Hashable:
        """What of a request's identity has to be the same in both objects: all of it."""
        return key

    def given(self, question: Question) -> Given:
        """The arguments of a question.

        Raises:
            VerifyError: it is a function that does not take them.
        """
        if self.entry is None:
            return fitted(self.obj, question)
        if isinstance(question, dict) and self.adapter.shows.names_inputs:
            return Given((), dict(question))
        return Given((question,), {})


def converses(obj: Any) -> bool:
    """Whether an object keeps a conversation that it can begin anew."""
    return callable(getattr(obj, "reset", None)) and hasattr(obj, "chat")


@runtime_checkable
class Renewed(Protocol):
    """What has a state that is made anew for each session."""

    def begin_anew(self) -> None:
        """Make it."""


def begin_anew(obj: Any) -> None:
    """Begin a new conversation, if it is one; make what it works on anew, if it does that."""
    if isinstance(obj, Renewed):
        obj.begin_anew()
    elif converses(obj):
        obj.reset()


def load(target: Target, entry: str = "") -> Loaded:
    """Import what a target names.

    Args:
        entry: the method to call; the first that the object has by default.

    Raises:
        VerifyError: it is not there, is nothing that can be accelerated, or has no such method.
    """
    return known(imported(target), target.name, entry)


def known(obj: Any, name: str, entry: str = "") -> Loaded:
    """The adapter that knows an object, which is called ``name``, and the entry to call.

    Raises:
        VerifyError: it is nothing that can be accelerated, or has no such method.
    """
    obj = original_of(obj)
    adapter = next((each for each in adapters() if each.accepts(obj)), None)
    if adapter is None:
        what = f"a {type(obj).__name__}, which no adapter knows"
        if isinstance(obj, type):
            what = "a class, of which your program makes objects"
        raise VerifyError(
            f"{name} is {what}: name an engine, a retriever, a chain, a graph, or a function"
        )
    entries = [
        each
        for base in adapter.bases
        for each in base.entries
        if any(cls.__name__ == base.name for cls in type(obj).__mro__)
    ]
    if not entries:
        if entry:
            raise VerifyError(no_entry(obj, name))
        return Loaded(obj, adapter, None)
    named = [each for each in entries if each.name == entry] if entry else _usual(entries)
    if not named:
        names = ", ".join(dict.fromkeys(each.name for each in entries))
        raise VerifyError(f"{name} has no entry {entry}: it has {names}")
    return Loaded(obj, adapter, named[0])


def no_entry(obj: Any, name: str) -> str:
    """Why no method of what is called itself can be chosen, and what can be named instead."""
    if called_of(obj) is obj:
        return f"{name} is a function: it has no --entry"
    return f"{name} is called itself, and has no --entry: name a method of it as {name}.method"


def _usual(entries: list[Entry]) -> list[Entry]:
    return [each for each in entries if each.kind is Kind.CALL and not each.many] or entries


def imported(target: Target) -> Any:
    """What a target names.

    Raises:
        VerifyError: it is not there, or could not be made.
    """
    try:
        module = _module(target.where)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise VerifyError(f"{target.where} could not be imported: {what}") from error
    except SystemExit as error:
        raise VerifyError(
            f"{target.where} ends when it is imported (exit status {error.code}): put what runs it "
            'below `if __name__ == "__main__":`'
        ) from error
    found: Any = module
    for part in target.name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            if error.name not in (None, part):  # Raised by a module that makes it when asked.
                raise _failed(target, error) from error
            raise VerifyError(f"{target.where} has no {target.name}") from None
        except Exception as error:
            raise _failed(target, error) from error
    return found


def _failed(target: Target, error: Exception) -> VerifyError:
    what = f"{type(error).__name__}: {error}"
    return VerifyError(f"{target.where} could not make {target.name}: {what}")


def _module(where: str) -> Any:
    if not where.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(where)
    path = Path(where).resolve()
    sys.path.insert(0, str(path.parent))  # As Python does for a script.
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


__all__ = [
    "MODULE",
    "Loaded",
    "Question",
    "Renewed",
    "Target",
    "VerifyError",
    "begin_anew",
    "converses",
    "imported",
    "known",
    "load",
    "no_entry",
]
