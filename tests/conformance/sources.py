"""The frameworks' own tests, out of the source distributions of the locked versions.

Kept beside the cached environments, one folder for each state of what is locked: the tests, and in
``packages`` what they need beyond our own environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
LOCK: Final = REPOSITORY / ".ci" / "requirements.txt"
EXTRA_LOCK: Final = REPOSITORY / ".ci" / "requirements-conformance.txt"
COMPLETE: Final = "complete"
_KEPT: Final = ("tests", "pyproject.toml")
"""Of a distribution. Its package is left out: the tests are to import the installed one."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything lies."""

    folder: Path

    @property
    def packages(self) -> Path:
        """To be put on the path of the tests."""
        return self.folder / "packages"

    def of(self, distribution: str) -> Path:
        """The folder in which a distribution's tests run."""
        return self.folder / distribution


def locked_version(distribution: str, lock: str) -> str | None:
    """The version of a distribution in the text of a lock file, if it stands there."""
    name = re.escape(distribution)
    found = re.search(rf"^{name}==(\S+)", lock, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def cached_sources(distributions: tuple[str, ...]) -> Sources:
    """The sources, downloaded now if they are not there.

    A folder counts once its marker file stands in it: what was cut short is thrown away.

    Raises:
        subprocess.CalledProcessError: something could not be downloaded.
    """
    lock = LOCK.read_text("utf-8")
    wanted = {name: locked_version(name, lock) for name in distributions}
    known = repr((sorted(wanted.items()), EXTRA_LOCK.read_text("utf-8"), sys.version_info[:2]))
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"conformance-{hashlib.sha256(known.encode()).hexdigest()[:16]}"
    if not (folder / COMPLETE).exists():
        with (cache / f"{folder.name}.lock").open("w") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            if not (folder / COMPLETE).exists():
                _download(folder, {name: version for name, version in wanted.items() if version})
    return Sources(folder)


def _cache() -> Path:
    named = os.environ.get("AYO_ENV_CACHE")
    return Path(named).absolute() if named else Path.home() / ".cache" / "ayo-bridge"


def _download(folder: Path, versions: dict[str, str]) -> None:
    print(f"downloading the frameworks' own tests into {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _pip("install", "--no-deps", "--target", str(folder / "packages"), "-r", str(EXTRA_LOCK))
    for name, version in versions.items():
        with tempfile.TemporaryDirectory(dir=folder) as packed:
            _pip(
                *("download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"),
                *("--dest", packed, f"{name}=={version}"),
            )
            [archive] = Path(packed).glob("*.tar.gz")
            _unpack(archive, folder / name)
    (folder / COMPLETE).touch()


def _pip(*arguments: str) -> None:
    python = REPOSITORY / ".venv" / "env" / "bin" / "python"
    quiet = ("-qq", "--disable-pip-version-check")
    subprocess.run([str(python), "-m", "pip", arguments[0], *quiet, *arguments[1:]], check=True)


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as packed:
        members = []
        for member in packed.getmembers():
            _, _, inside = member.name.partition("/")
            if inside.partition("/")[0] in _KEPT:
                member.name = inside
                members.append(member)
        packed.extractall(target, members, filter="data")
