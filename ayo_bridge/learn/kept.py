"""Learned templates on disk: one JSON file an entry, for later processes of the same program."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ayo_bridge.learn.entry_id import EntryId
from ayo_bridge.learn.storage import template_from_json, template_to_json
from ayo_bridge.learn.template import Template

FORMAT: Final = 1
MOST_BYTES: Final = 1_000_000
"""Of one file; what is larger is not kept."""
MOST_FILES: Final = 256
"""More are not kept: those that were not used for longest go."""
_LEFT_BEHIND: Final = 600.0
"""Seconds after which a file that was being written belongs to a process that has died."""
_FRAMEWORKS: Final = {
    "llama_index.core": "llama-index-core",
    "langchain_core": "langchain-core",
    "langgraph.pregel": "langgraph",
}


class CorruptTemplateWarning(UserWarning):
    """A learned template on disk could not be read; it is ignored and overwritten by the next."""


class UnreadableTemplateError(ValueError):
    """A file is no learned template, or a damaged one."""


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """A learned template with what is needed to use it again, and nothing of any client.

    Args:
        versions: of Python and the frameworks that it was learned with.
        learned: seconds since the epoch.
        calls: how many it was learned from.
        before, after, own: seconds of a call, as in a lesson.
        by_branch, shaky: sites, as in a lesson.
        frames: where each site is in the program, for people, the innermost first.
        spread: sites, as in a lesson.
    """

    entry: EntryId
    versions: Mapping[str, str]
    learned: float
    calls: int
    before: float
    after: float
    own: float
    by_branch: frozenset[str]
    shaky: frozenset[str]
    template: Template
    frames: Mapping[str, tuple[str, ...]]
    spread: frozenset[str] = frozenset()


class TemplateStore:
    """Learned templates by entry. Several processes may use one directory: the last writer wins.

    ``directory`` defaults to ``$AYO_TEMPLATE_DIR``, then ``$XDG_CACHE_HOME/ayo-bridge/templates``,
    then ``~/.cache/ayo-bridge/templates``. It is made by the first :meth:`save`.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.directory = Path(directory) if directory is not None else _default_directory()

    def path(self, entry: EntryId) -> Path:
        """Where the template of an entry is kept."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", entry.name).strip("-.")[-80:] or "entry"
        digest = blake2b(f"{entry.name}\0{entry.code}".encode(), digest_size=8).hexdigest()
        return self.directory / f"{readable}-{digest}.json"

    def load(self, entry: EntryId) -> KeptTemplate | None:
        """What was learned of an entry with the versions that are installed now, if anything.

        Warns:
            CorruptTemplateWarning: there is a file and it cannot be read.
        """
        path = self.path(entry)
        try:
            kept = read(path)
        except FileNotFoundError:
            return None
        except (OSError, UnreadableTemplateError) as error:
            warnings.warn(
                f"the learned template {path} is ignored: {error}", CorruptTemplateWarning, 2
            )
            return None
        if kept.entry != entry or not _holds(kept.versions):
            return None
        with suppress(OSError):  # Then it only counts as not used.
            os.utime(path)
        return kept

    def save(self, kept: KeptTemplate) -> bool:
        """Write a template; a reader sees the old file or the new one, never a part.

        Returns whether it is kept: not so if it is too large.

        Raises:
            OSError: the directory cannot be written.
        """
        data = _to_json(kept)
        text = _text({**data, "digest": _digest(data)})
        path = self.path(kept.entry)
        if len(text) > MOST_BYTES:  # ASCII: as many bytes.
            path.unlink(missing_ok=True)
            return False
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.directory, prefix=".new-", suffix=".json")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._clean_up()
        return True

    def discard(self, kept: KeptTemplate) -> None:
        """Delete a template, unless another process has written a later one since.

        Raises:
            OSError: it cannot be deleted.
        """
        path = self.path(kept.entry)
        with suppress(UnreadableTemplateError, FileNotFoundError):
            if read(path).learned == kept.learned:
                path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """All files of templates, by name."""
        return sorted(path for path in self._all() if not path.name.startswith("."))

    def clear(self) -> int:
        """Delete all templates, damaged ones and those being written too; returns how many.

        Raises:
            OSError: one cannot be deleted.
        """
        paths = list(self._all())
        for path in paths:
            path.unlink(missing_ok=True)
        return sum(not path.name.startswith(".") for path in paths)

    def _all(self) -> Iterator[Path]:
        return self.directory.glob("*.json")

    def _clean_up(self) -> None:
        """Delete what is too much, and what processes that died have left."""
        used: list[tuple[float, Path]] = []
        for path in self._all():
            with suppress(OSError):  # Another process has deleted it.
                when = path.stat().st_mtime
                if not path.name.startswith("."):
                    used.append((when, path))
                elif when < time.time() - _LEFT_BEHIND:
                    path.unlink()
        for _, path in sorted(used)[:-MOST_FILES]:
            with suppress(OSError):
                path.unlink()


def read(path: Path) -> KeptTemplate:
    """The template in a file.

    Raises:
        OSError: it cannot be read.
        UnreadableTemplateError: it holds none.
    """
    if path.stat().st_size > MOST_BYTES:
        raise UnreadableTemplateError("it is larger than any that is kept")
    try:
        data = json.loads(path.read_bytes())
        if data.pop("digest") != _digest(data):
            raise ValueError("its content is not what was written")
        return _from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableTemplateError("it is damaged, or of another version") from error


def versions() -> dict[str, str]:
    """Of Python, on whose bytecode sites depend, and of the frameworks that are imported."""
    found = {"python": _python()}
    for module, name in _FRAMEWORKS.items():
        if module in sys.modules and (installed := _installed(name)):
            found[name] = installed
    return found


def _holds(learned_with: Mapping[str, str]) -> bool:
    """Whether versions are those of today. A framework may be imported later than it is asked."""
    return learned_with.get("python") == _python() and all(
        _installed(name) == number for name, number in learned_with.items() if name != "python"
    )


def _python() -> str:
    return f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _default_directory() -> Path:
    if chosen := os.environ.get("AYO_TEMPLATE_DIR"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ayo-bridge" / "templates"


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _digest(data: Mapping[str, Any]) -> str:
    """Tells what was changed or cut from what was written: a wrong template costs time."""
    return blake2b(_text(data).encode(), digest_size=16).hexdigest()


def _to_json(kept: KeptTemplate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "entry": kept.entry.name,
        "code": kept.entry.code,
        "versions": dict(kept.versions),
        "learned": kept.learned,
        "calls": kept.calls,
        "seconds": [kept.before, kept.after, kept.own],
        "by_branch": sorted(kept.by_branch),
        "shaky": sorted(kept.shaky),
        "spread": sorted(kept.spread),
        "template": template_to_json(kept.template),
        "frames": {site: list(frames) for site, frames in kept.frames.items()},
    }


def _from_json(data: Mapping[str, Any]) -> KeptTemplate:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}; this version reads {FORMAT}")
    before, after, own = map(float, data["seconds"])
    return KeptTemplate(
        EntryId(str(data["entry"]), str(data["code"])),
        {str(name): str(number) for name, number in data["versions"].items()},
        float(data["learned"]),
        int(data["calls"]),
        before,
        after,
        own,
        frozenset(map(str, data["by_branch"])),
        frozenset(map(str, data["shaky"])),
        template_from_json(data["template"]),
        {str(site): tuple(map(str, frames)) for site, frames in data["frames"].items()},
        frozenset(map(str, data["spread"])),
    )
