"""The files beside this one are run by mypy alone; here, that it does so, and as strictly."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ayo_bridge

_REPOSITORY = Path(__file__).resolve().parents[2]


def test_mypy_is_strict_wherever_there_is_code() -> None:
    settings = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"], "a wrong use that is no error has to be noticed"
    assert {"ayo_bridge", "adapters", "tests", "benchmarks", "examples"} <= set(settings["files"])
    relaxed = {key for override in settings["overrides"] for key in override} - {"module"}
    assert relaxed == {"ignore_missing_imports", "follow_imports"}


def test_users_are_given_the_types() -> None:
    assert (Path(ayo_bridge.__file__).parent / "py.typed").is_file()
