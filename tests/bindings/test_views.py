"""A function of another module is wrapped as one module sees it, and for nobody else."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ayo_bridge.bindings import binding as bindings
from ayo_bridge.bindings.binding import Binding, Target


def used() -> ModuleType:
    module = ModuleType("ayolib_used")
    exec("LIMIT = 3\ndef ask():\n    return 'asked'\ndef tell():\n    return ask()", vars(module))
    return module


def seeing(name: str, other: ModuleType) -> ModuleType:
    module = ModuleType(name)
    vars(module)["used"] = other
    exec("def ask():\n    return used.ask(), used.tell(), used.LIMIT", vars(module))
    return module


def starred(wrapped: Callable[..., str], instance: Any, args: Any, kwargs: Any) -> str:
    return wrapped(*args, **kwargs) + "*"


def test_only_one_module_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = used()
    one, other = seeing("ayolib_one", module), seeing("ayolib_other", module)
    monkeypatch.setitem(sys.modules, "ayolib_one", one)
    monkeypatch.setattr(bindings, "version", lambda distribution: "1.5")
    binding = Binding(
        "a library", "lib", ("1.0", "2.0"), (Target("ayolib_one", "used.ask", starred),)
    )
    assert binding.install()
    assert one.ask() == ("asked*", "asked", 3)
    assert other.ask() == ("asked", "asked", 3)
    vars(module)["LIMIT"] = 4  # What is changed in the module is seen by all.
    assert one.ask() == ("asked*", "asked", 4)

    binding.uninstall()
    assert one.ask() == ("asked", "asked", 4)
    assert vars(one)["used"] is module
