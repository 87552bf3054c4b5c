"""What a document sets for its whole process is gone after it."""

from __future__ import annotations

import pytest
from opentelemetry.util._once import Once


@pytest.fixture(autouse=True)
def _no_tracer_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process can set one provider only."""
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", None)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER_SET_ONCE", Once())
