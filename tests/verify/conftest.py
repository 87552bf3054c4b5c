"""What is verified here does not depend on how busy the machine is."""

from __future__ import annotations

import math

import pytest

from ayo_bridge.runahead import verification
from tests.learning_fixtures import leaves_no_garbage

__all__ = ["leaves_no_garbage"]


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage(leaves_no_garbage: None) -> None:
    """Frameworks and functions keep clients that are not closed."""


@pytest.fixture(autouse=True)
def _never_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ayo_bridge.runahead.client.FULL", math.inf)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An original that asks something else is asked again soon."""
    monkeypatch.setattr(verification, "APART", 0.01)
