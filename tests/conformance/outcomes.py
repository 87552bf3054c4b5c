"""A pytest plugin: writes down what became of each test, by its id.

``pytest -p outcomes --outcomes FILE``, with this folder on the path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_outcomes: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", help="a JSON file of test ids and outcomes")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _outcomes[report.nodeid] = "failed"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _outcomes[report.nodeid] = "failed"
    elif report.when == "call" or report.skipped:
        _outcomes.setdefault(report.nodeid, report.outcome)


def pytest_sessionfinish(session: Any) -> None:
    if file := session.config.getoption("--outcomes"):
        Path(file).write_text(json.dumps(_outcomes), "utf-8")
