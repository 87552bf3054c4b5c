"""`ayo-bridge top`: it sees every process that shows itself, and none that is gone."""

from __future__ import annotations

import gc
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ayo_bridge import Runtime
from ayo_bridge.cli import app
from ayo_bridge.record.counters import Counters
from ayo_bridge.telemetry import sockets
from ayo_bridge.telemetry.shown import Shown
from ayo_bridge.top import ask_all, drawn, sums
from ayo_bridge.top.sums import Process
from tests.test_forks import in_a_child

CHILD = Path(__file__).parent / "child.py"
CLI = [sys.executable, "-c", "from ayo_bridge.cli import main; main()", "top"]
SECRET = "what was asked"
TOTALS = ("calls", "hits", "direct", "missed", "wasted", "saved")
pytestmark = pytest.mark.skipif(not sockets.supported(), reason="no Unix sockets here")


@contextmanager
def child(calls: int) -> Iterator[subprocess.Popen[str]]:
    """A process that shows itself, and was called so often; it ends with the block.

    It says that it is ready.
    """
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(calls), "--key", SECRET],
        env={**os.environ, "AYO_TOP": "1", "AYO_TEMPLATES": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def asked_once() -> tuple[int, Any]:
    found = subprocess.run([*CLI, "--once", "--json"], capture_output=True, text=True, timeout=60)
    return found.returncode, json.loads(found.stdout)


def test_two_processes_are_seen_and_leave_no_ghost(meeting: Path) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(child(calls)) for calls in (2, 3))
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        status, said = asked_once()
        assert status == 0
        by_pid = {process["pid"]: process for process in said["processes"]}
        assert set(by_pid) == {one.pid, other.pid}
        first = by_pid[one.pid]
        assert first["program"] == "child.py"
        assert [(row["target"], row["calls"]) for row in first["objects"]] == [("shout", 2)]
        (engine,) = first["engines"]
        assert (engine["engine"], engine["kind"]) == ("embedding:echo", "embedding")
        assert (engine["waiting"], engine["running"]) == (0, 0)
        assert (engine["batches"], engine["calls"]) == (1, 4)
        assert [(row["server"], row["up"]) for row in first["replicas"]] == [
            *(("127.0.0.1:1001", True), ("127.0.0.1:1002", True))
        ]
        assert SECRET not in json.dumps(said)
        # Not for others' eyes.
        assert meeting.stat().st_mode & 0o777 == 0o700

        frame = CliRunner().invoke(app, ["top"], env={"COLUMNS": "80"})
        assert frame.exit_code == 0
        lines = frame.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        rows = [line.split() for line in lines]
        assert [row[1:3] for row in rows if row and row[0] == str(other.pid)] == [["child.py", "3"]]
        # Two processes with a batch of four each.
        assert ["embedding:echo", "0", "0", "2", "4.0"] in rows
        assert ["127.0.0.1:1001", "my-model", "0", "yes"] in rows

        one.kill()
        one.wait()
        assert [process.pid for process in ask_all()] == [other.pid]
        assert len(list(meeting.iterdir())) == 1, "what was left is removed"
        assert other.stdin is not None
        other.stdin.close()
        other.wait(30)
        assert list(meeting.iterdir()) == [], "one that ends takes its own along"


def test_nobody_there_is_said(meeting: Path) -> None:
    result = CliRunner().invoke(app, ["top", "--once"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "AYO_TOP=1" in result.stderr
    none = CliRunner().invoke(app, ["top", "--json"])
    assert (none.exit_code, json.loads(none.stdout)) == (1, {"processes": []})


def test_nothing_is_there_unless_it_is_asked_for(meeting: Path) -> None:
    runtime = Runtime(measure=False)
    assert runtime.shown is None
    assert not meeting.exists()
    assert "ayo-bridge top" not in {thread.name for thread in threading.enumerate()}


def test_what_was_counted_stays_when_its_object_is_gone() -> None:
    class Gone:
        target = "f"

        def totals(self) -> Counters:
            return Counters(calls=1)

    shown, kept = Shown(), Gone()
    shown.add(kept, Counters(calls=1))
    for _ in range(203):
        shown.add(Gone(), Counters(calls=1))
    gc.collect()
    assert [(row["target"], row["calls"]) for row in shown.snapshot()["objects"]] == [("f", 204)]
    assert len(shown._objects) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_answers_for_itself(asked_for: Path) -> None:
    runtime = Runtime(measure=False)
    parent = os.getpid()
    assert in_a_child(lambda: {each.pid for each in ask_all()} == {parent, os.getpid()})
    assert [each.pid for each in ask_all()] == [parent]
    runtime.close()


def test_a_folder_that_others_may_enter_is_not_used(
    asked_for: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked_for.mkdir()
    asked_for.chmod(0o755)
    Runtime(measure=False)
    assert list(asked_for.iterdir()) == []
    assert "not this user's alone" in caplog.text


def test_who_does_not_answer_is_named(meeting: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        meeting.mkdir(mode=0o700)
        there.bind(str(meeting / "7-x.sock"))
        there.listen()
        assert ask_all(patience=0.05) == [Process(7, problem="does not answer")]


def test_rates_are_those_since_the_last_look() -> None:
    def at(calls: int) -> list[Process]:
        return [Process(7, "app.py", [{"target": "f", **dict.fromkeys(TOTALS, 0), "calls": calls}])]

    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(drawn(sums(at(30)), sums(at(10)), 4.0))
    assert "5.0" in console.export_text().splitlines()[1].split()
