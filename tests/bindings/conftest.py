"""Modules that can be imported, and bindings of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.bindings import binding as module
from ayo_bridge.bindings.binding import Binding, Target

TESTED = ("1.0", "2.0")
SOURCE = """
class Engine:
    def ask(self):
        return "asked"

    def tell(self):
        return "told"


class Child(Engine):
    pass
"""
Libraries = Callable[..., str]
Bind = Callable[..., Binding]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Libraries]:
    """Makes modules that can be imported; they and their parents are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(name: str, source: str = SOURCE) -> str:
        *parents, last = name.split(".")
        folder = tmp_path
        for parent in parents:
            folder = folder / parent
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        (folder / f"{last}.py").write_text(source)
        importlib.invalidate_caches()
        made.append(parents[0] if parents else name)
        return name

    yield make
    for name in list(sys.modules):
        if name.partition(".")[0] in made:
            del sys.modules[name]


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The distributions that are installed, and in which version."""
    installed = {"lib": "1.5"}

    def version(distribution: str) -> str:
        if distribution not in installed:
            raise PackageNotFoundError(distribution)
        return installed[distribution]

    monkeypatch.setattr(module, "version", version)
    return installed


@pytest.fixture
def bind(versions: dict[str, str]) -> Iterator[Bind]:
    """Makes bindings whose wrappers put a star behind every answer."""
    made: list[Binding] = []

    def make(*targets: tuple[str, str], distribution: str = "lib", mark: str = "*") -> Binding:
        def starred(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            return wrapped(*args, **kwargs) + mark

        binding = Binding(
            "a library",
            distribution,
            TESTED,
            tuple(Target(name, attribute, starred) for name, attribute in targets),
        )
        made.append(binding)
        return binding

    yield make
    for binding in made:
        binding.uninstall()
