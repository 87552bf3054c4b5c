"""Processes of this test alone: they meet in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge.telemetry import shown


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that they meet in; it is made by the first of them. Its path is short."""
    with tempfile.TemporaryDirectory(prefix="ayo-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder) / "ayo-bridge"


@pytest.fixture
def asked_for(meeting: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process shows itself there."""
    monkeypatch.setenv("AYO_TOP", "1")
    made: list[shown.Shown] = []
    monkeypatch.setattr(shown, "_process", made)
    yield meeting
    for each in made:
        each.close()
