"""Metrics of a program that does not know of us are served where the environment says."""

from __future__ import annotations

import logging
import socket
import urllib.request
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from ayo_bridge import Runtime
from ayo_bridge.autorun import exports, settings
from ayo_bridge.cli import app
from ayo_bridge.errors import ArgumentError
from ayo_bridge.events import Event


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A free one, as the environment names it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
    monkeypatch.setenv(settings.METRICS_PORT, str(number))
    yield number
    exports.stop_serving()


def test_metrics_are_served_on_this_machine(port: int) -> None:
    runtime = Runtime(metrics=True, measure=False)
    exports.serve_metrics()
    exports.serve_metrics()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        assert b"ayo_bridge_switched_off_total 0.0" in reply.read()
    runtime.close()


def test_a_port_that_another_process_has_is_logged_and_no_more(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        exports.serve_metrics()
    (said,) = [r for r in caplog.records if getattr(r, "event", "") == Event.NOT_EXPORTED]
    assert said.levelno == logging.WARNING
    assert f"no metrics are served at {port}" in said.getMessage()


def test_what_is_asked_for_is_in_the_environment_of_the_program() -> None:
    told = settings.variables(otel=True, metrics_port="0.0.0.0:9464")
    assert told == {"AYO_OTEL": "1", "AYO_METRICS": "1", "AYO_METRICS_PORT": "0.0.0.0:9464"}
    assert exports.address_of(told[settings.METRICS_PORT]) == ("0.0.0.0", 9464)
    assert settings.variables() == {}


@pytest.mark.parametrize("where", ["", "0", "99999", "localhost", "localhost:http"])
def test_what_is_no_port_is_refused(where: str) -> None:
    with pytest.raises(ArgumentError, match=r"is to be \[HOST:\]PORT with a port from 1 to 65535"):
        exports.address_of(where)


def test_the_command_refuses_it_before_it_starts_the_program() -> None:
    result = CliRunner().invoke(app, ["run", "--metrics-port", "99999", "app.py"])
    assert result.exit_code == 2
    assert "[HOST:]PORT" in result.output
