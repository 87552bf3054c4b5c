"""What is measured here is small, and not the process around it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all other tests have left behind takes long to go through."""
    monkeypatch.setattr("ayo_bridge.bench.running.gc.collect", lambda: 0)
