"""A stub server, and the runtime by which functions that ask it are accelerated."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.01) as made:
        yield made


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage() -> Iterator[None]:
    """Clients that functions have kept are not closed: no later test is to hear of that."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
