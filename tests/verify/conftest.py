"""What is verified here does not depend on how busy the machine is."""

from __future__ import annotations

import math

import pytest


@pytest.fixture(autouse=True)
def _never_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ayo_bridge.runahead.client.FULL", math.inf)
