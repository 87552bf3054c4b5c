"""Profiles and learned templates on disk: where, how many, and which cannot be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sized
from pathlib import Path

from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.learn.disk.kept import TemplateStore, UnreadableTemplateError, read
from ayo_bridge.learn.disk.kept_file import holds
from ayo_bridge.profile import ProfileStore


def check_on_disk() -> Iterator[Check]:
    """What is kept, and whether more can be."""
    profiles, templates = ProfileStore(), TemplateStore()
    yield from _profiles(profiles)
    yield from _writable(profiles.directory, "profiles", "AYO_PROFILE_DIR")
    yield from _templates(templates)
    yield from _writable(templates.directory, "templates", "AYO_TEMPLATE_DIR")


def _profiles(store: ProfileStore) -> Iterator[Check]:
    names, damaged = [], []
    for path in store.files():
        try:
            names.append(store.read(path)[0])
        except FileNotFoundError:
            continue  # Another process has just deleted it.
        except (OSError, ValueError, KeyError, TypeError):
            damaged.append(path.name)
    where = home_as_tilde(store.directory)
    if names:
        yield _found(Level.OK, f"{_count(names, 'profile')} in {where}: {', '.join(names)}")
    else:
        yield _found(
            Level.OK,
            f"no profiles in {where}: plans start from orders of magnitude",
            "`ayo-bridge profile` measures an idle engine; traffic shows the same in time",
        )
    if damaged:
        yield _found(
            Level.NOTE,
            f"{_count(damaged, 'profile')} cannot be read and count as not there: "
            f"{', '.join(damaged)}",
            "delete them, or measure the engines again with `ayo-bridge profile`",
        )


def _templates(store: TemplateStore) -> Iterator[Check]:
    states: Counter[str] = Counter()
    damaged: list[str] = []
    for path in store.files():
        try:
            states["used" if holds(read(path).versions) else "stale"] += 1
        except FileNotFoundError:
            continue
        except (OSError, UnreadableTemplateError) as error:
            damaged.append(f"{path.name} ({error})")
    where = home_as_tilde(store.directory)
    if used := states["used"]:
        yield _found(Level.OK, f"{_count(range(used), 'learned template')} in {where}")
    else:
        yield _found(Level.OK, f"no learned templates for these versions in {where}")
    if stale := states["stale"]:
        yield _found(
            Level.NOTE,
            f"{stale} of other versions of Python or a framework: learned anew when called",
            "`ayo-bridge templates forget ENTRY` deletes them",
        )
    if damaged:
        more = "" if len(damaged) == 1 else f", and {len(damaged) - 1} more"
        yield _found(
            Level.NOTE,
            f"{_count(damaged, 'file')} of no use among the templates: {damaged[0]}{more}",
            "`ayo-bridge templates forget --all` deletes all templates, and these too",
        )


def _writable(directory: Path, noun: str, variable: str) -> Iterator[Check]:
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        yield _found(
            Level.PROBLEM,
            f"{home_as_tilde(directory)} cannot be written: {noun} are not kept",
            f"set {variable} to a folder that can be",
        )


def home_as_tilde(path: Path) -> str:
    """A path as people write it."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _found(level: Level, what: str, advice: str = "") -> Check:
    return Check(Area.ON_DISK, level, what, advice)
