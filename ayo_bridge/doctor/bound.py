"""Which engine libraries would be bound, and which not and why. Nothing is imported or wrapped.

Whether the wrapped functions are there shows when the application imports the library; here the
versions decide.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ayo_bridge.adapter import GROUP
from ayo_bridge.bindings.binding import Binding
from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.doctor.libraries import installed, tested_range

_CORE: Final = "ayo_bridge.bindings"


def bindings_of(package: str) -> tuple[Binding, ...]:
    """The bindings that the modules of a package hold, alone or in a tuple, each once."""
    root = import_module(package)
    modules = [root]
    for found in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{package}."):
        modules.append(import_module(found.name))
    bindings: dict[int, Binding] = {}
    for module in modules:
        for value in vars(module).values():
            several = value if isinstance(value, tuple | list) else (value,)
            bindings |= {id(each): each for each in several if isinstance(each, Binding)}
    return tuple(bindings.values())


def check_bindings() -> Iterator[Check]:
    """The bindings of the core and of every installed adapter, one line a distribution."""
    found = list(bindings_of(_CORE))
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            entry.load()
            found += bindings_of(_package(entry))
        except Exception as error:  # An adapter is foreign code: whatever it raises is the finding.
            yield Check(
                Area.BINDINGS,
                Level.PROBLEM,
                f"the adapter {entry.name!r} ({entry.value}) cannot be loaded: {error!r}",
                "reinstall or remove the distribution that brings it: `accelerate` fails with it",
            )
    by_distribution: dict[str, list[Binding]] = {}
    for binding in found:
        by_distribution.setdefault(binding.distribution, []).append(binding)
    missing = []
    for distribution, bindings in sorted(by_distribution.items()):
        if (there := installed(distribution)) is None:
            missing.append(distribution)
        else:
            yield _of_one(distribution, there[1], bindings)
    if missing:
        yield Check(
            Area.BINDINGS, Level.NOTE, f"not bound, not installed: {', '.join(sorted(missing))}"
        )


def _package(entry: EntryPoint) -> str:
    return entry.module.partition(".")[0]


def _of_one(distribution: str, version: str, bindings: list[Binding]) -> Check:
    refused = [each for each in bindings if each.unsupported() is not None]
    if not refused:
        names = ", ".join(dict.fromkeys(each.name for each in bindings))
        return Check(Area.BINDINGS, Level.OK, f"{distribution} {version} would be bound: {names}")
    low, high = refused[0].tested
    names = ", ".join(dict.fromkeys(each.name for each in refused))
    what = f"{distribution} {version} would not be bound, so its calls run as they are: {names}"
    if tested_range(distribution):  # Then its version is among the findings on libraries.
        return Check(Area.BINDINGS, Level.NOTE, what)
    return Check(Area.BINDINGS, Level.PROBLEM, what, f"pip install '{distribution}>={low},<{high}'")
