"""Each request that leaves an accelerated application is one that leaves the original."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from ayo_bridge import Runtime
from ayo_bridge.profile import ProfileStore
from tests.wire.sending import Setting, address_of, differences, run
from tests.wire.settings import LANGCHAIN, LLAMA_INDEX

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_FUSED = {"HTTP_PROXY", "default headers", "SDK client", "user info", "cookies of the server"}
"""Settings that are tried with what streams internally, too."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    logging.disable(logging.ERROR)  # The frameworks log each failure.
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def _cells(settings: Sequence[Setting], app: str) -> list[ParameterSet]:
    return [
        pytest.param(setting, app, concurrent, id=f"{setting.name}-{app}-{kind}")
        for setting in settings
        for concurrent, kind in ((False, "sync"), (True, "async"))
        # Which of several first calls gets the session is chance, and the rest are refused.
        if not (concurrent and app == "tree" and setting.name == "cookies that must be sent")
    ]


_ROWS = [
    *_cells(LLAMA_INDEX, "tree"),
    *_cells([setting for setting in LLAMA_INDEX if setting.name in _FUSED], "fusion"),
    *_cells(LANGCHAIN, "chain"),
]


@pytest.mark.parametrize(("setting", "app", "concurrent"), _ROWS)
def test_what_is_sent(
    setting: Setting,
    app: str,
    concurrent: bool,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in setting.environment.items():
        monkeypatch.setenv(name, value.format(other=address_of("other")))
    original = run(setting, app, None, concurrent=concurrent)
    fast = run(setting, app, runtime, concurrent=concurrent)
    assert original.requests
    assert differences(original, fast) == []


def test_setting_names_are_unique() -> None:
    for settings in (LLAMA_INDEX, LANGCHAIN):
        names = [setting.name for setting in settings]
        assert len(names) == len(set(names))
