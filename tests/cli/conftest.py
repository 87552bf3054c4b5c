"""Surroundings that are the same on every machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.served import Served


@pytest.fixture
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no setting, no file, a known terminal."""
    for name in list(os.environ):
        if re.match(r"AYO_|OPENAI_|XDG_|(?:\w+_)?proxy$", name, re.IGNORECASE):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("ayo_bridge.doctor.libraries.KNOWN", True)


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as server:
        yield server
