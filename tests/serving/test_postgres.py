"""The embedded server keeps what was committed, comes back by itself, and outlives nobody."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.ports import PortInUseError, free_port
from ayo_bridge.serving.postgres import EmbeddedPostgres
from ayo_bridge.serving.postgres_install import PostgresBinariesMissingError
from tests.deadline import eventually
from tests.processes import all_gone

pytestmark = pytest.mark.real


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not tmp_path: its parents are closed to the unprivileged user that root's server runs as."""
    with tempfile.TemporaryDirectory(prefix="ayo-test-") as parent:
        os.chmod(parent, 0o711)
        yield Path(parent) / "data"


def rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n").fetchall()]


def create(url: str, *values: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t (n int)")
        for value in values:
            connection.execute("INSERT INTO t VALUES (%s)", (value,))


def kill_postmaster(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


def test_rows_survive_a_stop_and_a_new_server_on_the_same_directory(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        create(server.url, 1, 2)
    assert not server.alive
    with EmbeddedPostgres(directory) as server:
        assert rows(server.url) == [1, 2]


def test_the_same_server_starts_again_after_a_stop_under_the_same_url() -> None:
    with EmbeddedPostgres() as server:
        create(server.url, 1)
        url = server.url
        server.stop()
        assert not server.alive
        server.start()
        assert server.url == url
        assert rows(url) == [1]


def test_vectors_can_be_searched() -> None:
    with EmbeddedPostgres() as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE v (id int, e vector(2))")
        connection.execute("INSERT INTO v VALUES (1, '[1,0]'), (2, '[0,1]')")
        nearest = connection.execute("SELECT id FROM v ORDER BY e <=> '[0.1,1]' LIMIT 1").fetchone()
        assert nearest == (2,)


def test_a_killed_server_comes_back_with_what_was_committed_and_nothing_else() -> None:
    with EmbeddedPostgres() as server:
        create(server.url, 1)
        with closing(psycopg.connect(server.url)) as open_transaction:
            open_transaction.execute("INSERT INTO t VALUES (2)")
            kill_postmaster(server)
            eventually(lambda: server.restarts == 1, "the restart")
        server.ensure()
        assert rows(server.url) == [1]
        with psycopg.connect(server.url) as connection:
            connection.execute("INSERT INTO t VALUES (3)")
        assert rows(server.url) == [1, 3]


def test_a_server_that_cannot_restart_is_given_up_and_ensure_starts_it_again() -> None:
    with EmbeddedPostgres() as server:
        create(server.url, 1)
        home = Path(server.data_dir)
        (home / "pgdata" / "PG_VERSION").rename(home / "hidden")
        kill_postmaster(server)
        eventually(lambda: server.failure is not None, "giving up")
        assert isinstance(server.failure, EngineStartError)
        assert "PG_VERSION" in str(server.failure)
        (home / "hidden").rename(home / "pgdata" / "PG_VERSION")
        assert rows(server.ensure().url) == [1]


def test_a_server_started_on_a_short_lived_thread_outlives_that_thread() -> None:
    server = EmbeddedPostgres()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with closing(server):
        create(server.url, 1)
        assert rows(server.url) == [1]
        assert server.restarts == 0


def test_two_servers_run_at_once() -> None:
    with EmbeddedPostgres() as one, EmbeddedPostgres() as other:
        create(one.url, 1)
        create(other.url, 2)
        assert (rows(one.url), rows(other.url)) == ([1], [2])


def test_the_server_ends_when_its_owner_is_killed_and_the_data_open_again(directory: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        pid, url = owner.stdout.readline().split()
        postmaster = psutil.Process(int(pid))
        create(url, 1)
        owner.kill()
        owner.wait()
    eventually(lambda: all_gone([postmaster]), "the end of the orphaned server")
    with EmbeddedPostgres(directory) as server:
        assert rows(server.url) == [1]


OWNER = """
import sys, threading
from ayo_bridge.serving.postgres import EmbeddedPostgres
server = EmbeddedPostgres(sys.argv[1]).start()
print(server.pid, server.url, flush=True)
threading.Event().wait()
"""


def test_a_fork_that_exits_leaves_the_server_alone() -> None:
    with EmbeddedPostgres() as server:
        create(server.url, 1)
        pid = os.fork()
        if pid == 0:
            server.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert rows(server.url) == [1]


def test_a_taken_port_is_named_in_the_error() -> None:
    port = free_port()
    with (
        EmbeddedPostgres(port=port),
        closing(EmbeddedPostgres(port=port)) as second,
        pytest.raises(PortInUseError, match=str(port)),
    ):
        second.start()


def test_a_free_port_that_somebody_else_took_first_is_given_up_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as rival:
        rival.bind(("127.0.0.1", 0))
        rival.listen()
        taken = rival.getsockname()[1]
        choices = iter([taken])
        monkeypatch.setattr(
            "ayo_bridge.serving.postgres.free_port", lambda: next(choices, None) or free_port()
        )
        # As if it had been taken right after the check.
        monkeypatch.setattr("ayo_bridge.serving.postgres.require_free", lambda port: port)
        with EmbeddedPostgres() as server:
            create(server.url, 1)
            assert server.dsn.port != taken


def test_one_directory_is_never_opened_by_two_servers(directory: Path) -> None:
    with (
        EmbeddedPostgres(directory),
        closing(EmbeddedPostgres(directory, lock_timeout=0.1)) as second,
        pytest.raises(EngineUnavailableError, match="in use by another server"),
    ):
        second.start()


def test_parents_of_the_data_directory_keep_their_permissions(directory: Path) -> None:
    before = directory.parent.stat().st_mode
    with EmbeddedPostgres(directory):
        assert directory.parent.stat().st_mode == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
def test_a_directory_out_of_the_servers_reach_is_refused_with_the_way_out(directory: Path) -> None:
    os.chmod(directory.parent, 0o700)
    with pytest.raises(EngineUnavailableError, match="choose a data_dir"):
        EmbeddedPostgres(directory).start()
    assert directory.parent.stat().st_mode & 0o777 == 0o700


def test_missing_binaries_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PostgresBinariesMissingError, match=r"ayo-bridge\[embedded\]"):
        EmbeddedPostgres()


def test_a_wrong_password_is_refused() -> None:
    with EmbeddedPostgres() as server, pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url.replace(server.dsn.password, "guess"))


def test_using_it_before_the_start_says_so() -> None:
    with pytest.raises(EngineUnavailableError, match="start"):
        _ = EmbeddedPostgres().url
