"""Learned templates on disk, for later processes of the same program: a JSON file each.

One entry may have several: two engines of one class differ in their prompts alone. What a file's
template predicts is in its name as a digest, so that what is learned again has the same file.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ayo_bridge.learn.disk.entry_id import EntryId
from ayo_bridge.learn.disk.kept_file import (
    MOST_BYTES,
    DamagedTemplateError,
    KeptTemplate,
    UnreadableTemplateError,
    as_text,
    holds,
    name_of,
    read,
    versions,
)

MOST_FILES: Final = 256
MOST_OF_ENTRY: Final = 16
"""More are not kept, in all and of one entry: those that were not used for longest go."""
_DIGEST_BYTES: Final = 8
_LEFT_BEHIND: Final = 600.0
"""Seconds after which a file that was being written belongs to a process that has died."""


class CorruptTemplateWarning(UserWarning):
    """A learned template on disk cannot be used; it is ignored."""


class UnkeptTemplateWarning(UserWarning):
    """What was learned cannot be written to disk; the next process learns it anew."""


class TemplateStore:
    """Learned templates by entry. Several processes may use one directory: the last writer wins.

    ``directory`` defaults to ``$AYO_TEMPLATE_DIR``, then ``$XDG_CACHE_HOME/ayo-bridge/templates``,
    then ``~/.cache/ayo-bridge/templates``. It is made by the first :meth:`save`.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.directory = Path(directory) if directory is not None else _default_directory()

    def path(self, kept: KeptTemplate) -> Path:
        """Where a template is kept."""
        return self.directory / f"{self._stem(kept.entry)}-{name_of(kept.template)}.json"

    def _stem(self, entry: EntryId) -> str:
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", entry.name).strip("-.")[-80:] or "entry"
        name = f"{entry.name}\0{entry.code}".encode()
        return f"{readable}-{blake2b(name, digest_size=_DIGEST_BYTES).hexdigest()}"

    def load(self, entry: EntryId) -> tuple[list[KeptTemplate], list[str]]:
        """What was learned of an entry with the versions that are installed now.

        Those that were used last come first; at most :data:`MOST_BYTES` in all. Returned with why
        others are ignored, each of them once in a process.
        """
        found: list[KeptTemplate] = []
        problems: list[str] = []
        room = MOST_BYTES
        for path in self._last_used(self._of(entry)):
            try:
                room -= path.stat().st_size
                kept = read(path)
            except FileNotFoundError:
                continue  # Another process has just deleted it.
            except (OSError, UnreadableTemplateError) as error:
                if _first_time(path):
                    problems.append(f"the learned template {path} is ignored: {error}")
                continue
            if room < 0:
                break
            if kept.entry == entry and holds(kept.versions):
                found.append(kept)
        return found, problems

    def used(self, kept: KeptTemplate) -> None:
        """A template is used again."""
        with suppress(OSError):  # Then it only counts as not used.
            os.utime(self.path(kept))

    def save(self, kept: KeptTemplate) -> bool:
        """Write a template; a reader sees the old file or the new one, never a part.

        Returns whether it is kept: not so if it is too large.

        Raises:
            OSError: the directory cannot be written.
        """
        text, path = as_text(kept), self.path(kept)
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
        self._clean_up(kept.entry)
        return True

    def discard(self, kept: KeptTemplate) -> None:
        """Delete a template, unless another process has written a later one since.

        Raises:
            OSError: it cannot be deleted.
        """
        path = self.path(kept)
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

    def _of(self, entry: EntryId) -> list[Path]:
        return list(self.directory.glob(f"{glob.escape(self._stem(entry))}*.json"))

    def _last_used(self, paths: Iterable[Path]) -> list[Path]:
        """Files by when they were last used, the latest first."""
        used: list[tuple[float, Path]] = []
        for path in paths:
            with suppress(OSError):  # Another process has deleted it.
                used.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(used, reverse=True)]

    def _clean_up(self, entry: EntryId) -> None:
        """Delete what is too much, what is damaged, and what processes that died have left."""
        own = self._last_used(self._of(entry))
        gone = {*own[MOST_OF_ENTRY:], *filter(_is_damaged, own)}
        for path in self._last_used(self._all()):
            if path.name.startswith("."):
                with suppress(OSError):
                    if path.stat().st_mtime < time.time() - _LEFT_BEHIND:
                        gone.add(path)
        gone.update(self._last_used(self.files())[MOST_FILES:])
        for path in gone:
            with suppress(OSError):
                path.unlink()


def _is_damaged(path: Path) -> bool:
    try:
        read(path)
    except DamagedTemplateError:
        return True
    except (OSError, UnreadableTemplateError):
        return False
    return False


_complained: set[Path] = set()


def _first_time(path: Path) -> bool:
    if path in _complained:
        return False
    _complained.add(path)
    return True


def _default_directory() -> Path:
    if chosen := os.environ.get("AYO_TEMPLATE_DIR"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ayo-bridge" / "templates"


__all__ = [
    "MOST_BYTES",
    "MOST_FILES",
    "MOST_OF_ENTRY",
    "CorruptTemplateWarning",
    "KeptTemplate",
    "TemplateStore",
    "UnkeptTemplateWarning",
    "UnreadableTemplateError",
    "read",
    "versions",
]
