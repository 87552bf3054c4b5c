"""Which servers our own launcher has started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ayo_bridge.engines import launched

URL = "http://127.0.0.1:8123/v1"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_running_server_is_known_at_its_address() -> None:
    launched.note(URL, os.getpid())
    assert launched.is_launched("http://127.0.0.1:8123/v1/chat/completions")
    assert not launched.is_launched("http://127.0.0.1:8124/v1")


def test_a_server_that_was_stopped_is_not() -> None:
    launched.note(URL, os.getpid())
    launched.forget(URL)
    launched.forget(URL)
    assert not launched.is_launched(URL)


def test_a_note_that_a_crash_left_behind_says_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    launched.note(URL, child.pid)
    child.communicate(b"\n")
    assert not launched.is_launched(URL)


def test_a_damaged_note_says_nothing(cache: Path) -> None:
    launched.note(URL, os.getpid())
    (note,) = (cache / "ayo-bridge" / "servers").iterdir()
    note.write_text("{")
    assert not launched.is_launched(URL)


def test_a_directory_that_cannot_be_written_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    launched.note(URL, os.getpid())
    assert not launched.is_launched(URL)
