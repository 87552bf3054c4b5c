"""Exporters of OpenTelemetry write to the standard output of the test that runs."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import ConsoleSpanExporter


@pytest.fixture(autouse=True)
def _console(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it is the one that there was when their module was imported."""
    original = ConsoleSpanExporter.__init__

    def opened(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{"out": sys.stdout, **kwargs})

    monkeypatch.setattr(ConsoleSpanExporter, "__init__", opened)
