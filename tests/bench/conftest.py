"""What is measured here is small, and not the process around it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all other tests have left behind takes long to go through."""
    monkeypatch.setattr("ayo_bridge.bench.running.gc.collect", lambda: 0)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured need not have been learned."""
    monkeypatch.setattr("ayo_bridge.verify.comparing.PATIENCE", 1.0)
