"""A Postgres with pgvector of our own, as a child process.

In: a directory (or none, for a temporary one). Out: a URL. The server survives a crash of its own
(write-ahead log, automatic restart on the same port) and never outlives the process that owns it.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.serving import child
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.owned import OwnedServer
from ayo_bridge.serving.ports import LOOPBACK, free_port, is_free, require_free
from ayo_bridge.serving.postgres_cluster import (
    exclusive,
    initialise,
    password_of,
    prepare_home,
    tool_environment,
)
from ayo_bridge.serving.postgres_install import find_install

_logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.01
_PORT_ATTEMPTS = 3
_MAX_RESTARTS = 5
_RESTART_WINDOW_SECONDS = 10.0
# Fast shutdown (sessions are ended, a checkpoint is written), then immediate shutdown.
_STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))


@dataclass(frozen=True, slots=True)
class ConnectionParts:
    """How to reach the server."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def url(self) -> str:
        """The parts as a ``postgresql://`` URL."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


class EmbeddedPostgres(OwnedServer):
    """A Postgres server with the ``vector`` extension, owned by this object.

    Args:
        data_dir: where the data live; kept when the server stops, and used again by the next one.
            None: a temporary directory, removed by ``close``.
        port: TCP port on 127.0.0.1; None picks a free one, kept across restarts of this object.
        settings: server settings (``{"shared_buffers": "256MB"}``).
        start_timeout: seconds until a start counts as failed.
        lock_timeout: seconds to wait for a former server on the same directory to end; one whose
            owner was killed needs a moment to shut down.

    Only this machine can connect, with a random password that is kept beside the data.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        start_timeout: float = 60.0,
        lock_timeout: float = 10.0,
    ) -> None:
        super().__init__()
        self._install = find_install()
        self._given_dir = Path(data_dir).absolute() if data_dir is not None else None
        self._given_port = port
        self._settings = dict(settings or {})
        self._start_timeout = start_timeout
        self._lock_timeout = lock_timeout
        self._home: Path | None = None
        self._parts: ConnectionParts | None = None
        self._watcher: threading.Thread | None = None
        self._stopping = False
        self._failure: EngineUnavailableError | None = None
        self._restarts = 0
        # Guards all of the above; notified whenever the server came up or gave up.
        self._changed = threading.Condition(threading.RLock())

    # -- what it is ---------------------------------------------------------------------------

    @property
    def dsn(self) -> ConnectionParts:
        """The parts of a connection string.

        Raises:
            EngineUnavailableError: the server was never started.
        """
        if self._parts is None:
            raise EngineUnavailableError("this EmbeddedPostgres was not started: call start()")
        return self._parts

    @property
    def url(self) -> str:
        """``postgresql://user:password@127.0.0.1:port/postgres``."""
        return self.dsn.url

    @property
    def alive(self) -> bool:
        """Whether the server runs and accepts connections."""
        pid = self.pid
        return pid is not None and self._reports_ready(pid)

    @property
    def data_dir(self) -> Path:
        """The directory that holds the data, the password and the log.

        Raises:
            EngineUnavailableError: it is a temporary one, and the server was never started.
        """
        if self._home is None:
            raise EngineUnavailableError("this EmbeddedPostgres was not started: call start()")
        return self._home

    @property
    def failure(self) -> EngineUnavailableError | None:
        """Why it is not restarted any more, or None; ``ensure`` and ``start`` try again."""
        return self._failure

    @property
    def restarts(self) -> int:
        """How often it was restarted after it ended unasked."""
        return self._restarts

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server and wait until it accepts connections; nothing if it runs already.

        Raises:
            PostgresBinariesMissingError: from the constructor, if the extra is not installed.
            PortInUseError: the port that was asked for is taken.
            EngineStartError: it ended or was not ready in time.
            EngineUnavailableError: the data directory is in use or out of the server's reach.
        """
        with self._changed:
            if self._watcher is not None and self._watcher.is_alive() and not self._failure:
                return self
            self._failure, self._stopping = None, False
            home = self._home = prepare_home(self._home or self._given_dir, self._install.run_as)
            initialise(home, self._install, self._start_timeout)
            atexit.register(self.close)
            self._launch_on_some_port(home)
            self._create_extension()
            self._watcher = threading.Thread(
                target=self._watch, args=(home,), name="ayo-postgres-watcher", daemon=True
            )
            self._watcher.start()
            return self

    def ensure(self) -> Self:
        """Return once the server accepts connections: starts it, or waits for its restart.

        Raises:
            EngineStartError: the restart failed, or took longer than ``start_timeout``.
        """
        deadline = time.monotonic() + self._start_timeout
        with self._changed:
            if self._watcher is None or self._failure is not None:
                return self.start()
            while not self.alive:
                if self._failure is not None:
                    raise self._failure
                if not self._changed.wait(min(0.1, max(0.0, deadline - time.monotonic()))) and (
                    time.monotonic() >= deadline
                ):
                    raise EngineStartError("Postgres did not come back in time" + self._log_note())
        return self

    def stop(self) -> None:
        """End the server in order (open sessions are ended); the data stay. Safe to repeat."""
        if self._inherited:
            return
        with self._changed:
            self._stopping = True
            if self._process is not None:
                child.stop(self._process, *_STOP)
            watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.join()

    def close(self) -> None:
        """``stop``, and remove the data if their directory was a temporary one."""
        if self._inherited:
            return
        self.stop()
        atexit.unregister(self.close)
        with self._changed:
            if self._given_dir is None and self._home is not None:
                shutil.rmtree(self._home, ignore_errors=True)
                self._home = None

    # -- how ----------------------------------------------------------------------------------

    def _launch_on_some_port(self, home: Path) -> None:
        """Launch on the given port, on the former one, or on a free one."""
        password = password_of(home)
        fixed = self._parts.port if self._parts else self._given_port
        for attempt in range(_PORT_ATTEMPTS):
            port = require_free(fixed or free_port())
            self._parts = ConnectionParts(LOOPBACK, port, "postgres", password, "postgres")
            try:
                return self._launch(home)
            except EngineStartError:
                # Between choosing a free port and listening on it, somebody may take it.
                if fixed or attempt + 1 == _PORT_ATTEMPTS or is_free(port):
                    raise
        return None

    def _launch(self, home: Path) -> None:
        """Start the postmaster and wait until it accepts connections."""
        parts, data = self.dsn, home / "pgdata"
        options = {
            "listen_addresses": parts.host,
            "port": str(parts.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        command = [self._install.program("postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        # The server and its backends inherit the lock, so holding it proves that none of a former
        # server is left; a pid file found then is stale, whatever process has that number now.
        with exclusive(home / "lock", self._lock_timeout) as lock:
            (data / "postmaster.pid").unlink(missing_ok=True)
            self._process = child.spawn(
                command,
                log=home / "log",
                env=tool_environment(),
                death_signal=signal.SIGINT,
                run_as=self._install.run_as,
                pass_fds=(lock,),
            )
        deadline = time.monotonic() + self._start_timeout
        while not self._reports_ready(self._process.pid):
            if self._process.poll() is not None:
                raise EngineStartError(
                    f"Postgres ended with status {self._process.returncode}" + self._log_note()
                )
            if time.monotonic() >= deadline:
                child.stop(self._process, *_STOP)
                raise EngineStartError(
                    f"Postgres was not ready after {self._start_timeout:g} s" + self._log_note()
                )
            time.sleep(_POLL_SECONDS)

    def _reports_ready(self, pid: int) -> bool:
        """Whether the postmaster `pid` says it is ready (as pg_ctl finds out: its pid file)."""
        if self._home is None:
            return False
        try:
            lines = (self._home / "pgdata" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _create_extension(self) -> None:
        parts = self.dsn
        command = [self._install.program("psql"), "-X", "-q", "-h", parts.host]
        command += ["-p", str(parts.port), "-U", parts.user, "-d", parts.database]
        command += ["-c", "CREATE EXTENSION IF NOT EXISTS vector"]
        environment = {**tool_environment(), "PGPASSWORD": parts.password}
        environment["PGOPTIONS"] = "-c client_min_messages=warning"
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise EngineStartError(f"CREATE EXTENSION vector failed: {result.stderr.strip()}")

    def _watch(self, home: Path) -> None:
        """Restart the server whenever it ends unasked, unless it keeps ending."""
        recent: deque[float] = deque(maxlen=_MAX_RESTARTS)
        while (process := self._process) is not None:
            status = process.wait()
            with self._changed:
                if self._stopping:
                    return
                now = time.monotonic()
                try:
                    if len(recent) == _MAX_RESTARTS and now - recent[0] < _RESTART_WINDOW_SECONDS:
                        raise EngineStartError("Postgres keeps ending" + self._log_note())
                    recent.append(now)
                    _logger.warning("Postgres ended with status %d; restarting it", status)
                    self._launch(home)
                    self._restarts += 1
                except EngineUnavailableError as error:
                    _logger.error("Postgres could not be restarted: %s", error)
                    self._failure = error
                    return
                finally:
                    self._changed.notify_all()

    def _log_note(self) -> str:
        if self._home is None:
            return ""
        log = self._home / "log"
        return f"; the end of {log}:\n{child.log_tail(log)}"
