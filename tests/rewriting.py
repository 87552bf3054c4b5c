"""The assertions of test files, rewritten once instead of once in each worker.

All workers import all test files, at the same time: where nothing is cached (a fresh clone) each
would rewrite every file for itself, eight seconds of a core. It is done before they start, in as
many processes as there are cores. pytest has no name for it that is public: where these are others,
workers do what they did.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


def rewrite_all(config: pytest.Config) -> None:
    """Rewrite the test files that are asked for, unless that is cached."""
    if sys.dont_write_bytecode or not hasattr(os, "fork"):
        return
    files = sorted({file.resolve() for argument in config.args for file in _below(argument)})
    shares = max(1, len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    children = [_forked(config, files[number::shares]) for number in range(shares)]
    for child in children:
        os.waitpid(child, 0)


def _below(argument: str) -> Iterator[Path]:
    place = Path(argument.partition("::")[0])
    if place.is_dir():
        for name in ("test_*.py", "conftest.py"):
            yield from place.rglob(name)


def _forked(config: pytest.Config, files: Sequence[Path]) -> int:
    child = os.fork()
    if not child:
        try:
            _rewrite(config, files)
        finally:
            os._exit(0)
    return child


def _rewrite(config: pytest.Config, files: Sequence[Path]) -> None:
    from _pytest.assertion import rewrite

    state = config.stash[rewrite.assertstate_key]
    for file in files:
        cached = rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
        if rewrite._read_pyc(file, cached) is None and rewrite.try_makedirs(cached.parent):
            source, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(state, code, source, cached)
