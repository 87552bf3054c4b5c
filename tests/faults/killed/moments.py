"""Runs that are killed at some moment, and what they may leave."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ayo_bridge.serving.postgres import EmbeddedPostgres
from tests.deadline import eventually
from tests.faults.killed.programs import BATCH

ROOT = Path(__file__).parents[3]
_tables = itertools.count()
_COLUMNS = {
    "llama-index": "SELECT node_id, text, metadata_::text, embedding::text FROM {} ORDER BY id",
    "langchain": "SELECT langchain_id::text, content, langchain_metadata::text, embedding::text "
    "FROM {} ORDER BY 1",
}
_UNITS = {"llama-index": BATCH, "langchain": 1}
"""The original commits so many rows at once."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program: how it ended, how long it took."""

    status: int
    seconds: float


class Runner:
    """Starts runs. Ends with :meth:`close`."""

    def __init__(self, postgres: EmbeddedPostgres, llm: str) -> None:
        self._postgres = postgres
        self._llm = llm
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.killed.programs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        assert self._told() == "ready"

    def _told(self) -> str:
        assert self._forker.stdout is not None
        return self._forker.stdout.readline().strip()

    def run(
        self, program: str, table: str, *, fast: bool = True, kill: Any = None, after: float = 0.0
    ) -> Run:
        """Run a program to its end; ``kill`` is called with its process after some seconds."""
        assert self._forker.stdin is not None
        began = time.perf_counter()
        print(
            program,
            self._postgres.url,
            self._llm,
            table,
            fast,
            file=self._forker.stdin,
            flush=True,
        )
        pid = int(self._told())
        timer = None if kill is None else threading.Timer(after, kill, (pid,))
        if timer is not None:
            timer.start()
        status = int(self._told())
        seconds = time.perf_counter() - began
        if timer is not None:
            timer.cancel()
            timer.join()
        return Run(status, seconds)

    def close(self) -> None:
        """End it."""
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.close()
        self._forker.wait(10)
        self._forker.stdout.close()


def kill_program(pid: int) -> None:
    """With -9."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # It has just ended.


def kill_postgres(server: EmbeddedPostgres) -> None:
    """With -9; its watcher brings it back."""
    restarts, pid = server.restarts, server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: server.restarts > restarts and server.alive, "the restart", 60)
    server.ensure()


def table_name(program: str) -> str:
    """A table that no other run has."""
    return f"killed_{program.replace('-', '_')}_{next(_tables)}"


def rows(server: EmbeddedPostgres, program: str, table: str) -> list[Any]:
    """What is in a table; none if it is not there."""
    name = f"data_{table}" if program == "llama-index" else table
    statement = sql.SQL(_COLUMNS[program]).format(sql.Identifier(name))
    with psycopg.connect(server.url) as connection:
        try:
            return connection.execute(statement).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def could_be_left(program: str, found: list[Any], whole: list[Any]) -> bool:
    """Whether the original, killed at some moment, could have left these rows."""
    return found == whole[: len(found)] and not len(found) % _UNITS[program]


def check(
    runner: Runner,
    server: EmbeddedPostgres,
    program: str,
    whole: list[Any],
    kill: Any,
    after: float,
) -> tuple[int, int]:
    """Kill one run and repeat it; returns how many rows were left, and its exit status.

    Raises:
        AssertionError: it left what the original could not have, or the repetition did not finish.
    """
    table = table_name(program)
    run = runner.run(program, table, kill=kill, after=after)
    server.ensure()
    left = rows(server, program, table)
    assert could_be_left(program, left, whole), f"{len(left)} rows are left, not as by the original"
    assert run.status or left == whole, "it ended well without all rows"
    again = runner.run(program, table)
    assert again.status == 0, "the repetition did not finish"
    now = rows(server, program, table)
    if program == "llama-index":  # The store writes a repeated row beside the first.
        assert now == [*left, *whole], "the repetition did not write every row"
    else:
        assert now == whole, "the repetition did not write every row once"
    return len(left), run.status
