"""The files of an embedded Postgres: its home directory, the empty cluster, password and locks.

A home holds ``pgdata`` (the cluster), ``password``, ``log`` and two lock files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.serving import child
from ayo_bridge.serving.child import EngineStartError, Identity
from ayo_bridge.serving.postgres_install import (
    PostgresInstall,
    reachable,
    reachable_temporary_directory,
)

_POLL_SECONDS = 0.01


def prepare_home(wanted: Path | None, who: Identity | None) -> Path:
    """The home directory, made if need be; a temporary one where None is wanted.

    An empty home is given to `who`, the user that Postgres runs as; no other directory is touched.

    Raises:
        EngineUnavailableError: `who` cannot reach it.
    """
    if wanted is None:
        parent = reachable_temporary_directory(who)
        home = Path(tempfile.mkdtemp(prefix="ayo-postgres-", dir=parent))
    else:
        home = wanted
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
    if who is not None and not any(home.iterdir()):
        os.chown(home, who.uid, who.gid)
    if not reachable(home, who):
        raise EngineUnavailableError(
            f"{home} is out of reach for {who.name if who else 'this user'}, who runs Postgres (it "
            "refuses to run as root): choose a data_dir below directories that everybody may enter"
        )
    return home


def initialise(home: Path, install: PostgresInstall, timeout: float) -> None:
    """Create the cluster, once; an interrupted attempt leaves nothing that counts.

    Raises:
        EngineStartError: initdb failed; the message ends with its output.
        EngineUnavailableError: another process was still at it after `timeout` seconds.
    """
    cluster, who = home / "pgdata", install.run_as
    if cluster.exists():
        return
    with exclusive(home / "init.lock", timeout):
        if cluster.exists():
            return
        secret, partial = home / "password", home / "pgdata.partial"
        _write_private(secret, secrets.token_urlsafe(24))
        shutil.rmtree(partial, ignore_errors=True)
        if who is not None:
            partial.mkdir(mode=0o700)
            for path in (secret, partial):
                os.chown(path, who.uid, who.gid)
        command = [install.program("initdb"), "-D", str(partial), "-U", "postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        log = home / "log"
        if child.spawn(command, log=log, env=tool_environment(), run_as=who).wait():
            raise EngineStartError(f"initdb failed; the end of {log}:\n{child.log_tail(log)}")
        partial.rename(cluster)


def password_of(home: Path) -> str:
    """The password of the cluster's one user."""
    return (home / "password").read_text().strip()


def tool_environment() -> dict[str, str]:
    """Ours without libpq's variables, which would redirect Postgres' own tools."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
        secret.write(text)


@contextlib.contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[int]:
    """Hold the lock file `path`; yields its descriptor, which a child may inherit with the lock.

    Raises:
        EngineUnavailableError: it was not free within `timeout` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise EngineUnavailableError(
                        f"{path.parent} is in use by another server; stop that one, or name "
                        "another data_dir"
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
