"""A stub server, and the runtime by which what asks it is accelerated: of all tests of learning."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge import Runtime
from ayo_bridge.profile import ProfileStore
from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.03) as made:
        yield made


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture(scope="module")
def leaves_no_garbage() -> Iterator[None]:
    """Clients that functions and chat memories have kept are not closed: no later test hears it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


__all__ = ["leaves_no_garbage", "runtime", "stub"]
