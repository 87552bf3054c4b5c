"""A stub server, and the runtime by which functions that ask it are accelerated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.01) as made:
        yield made


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage(leaves_no_garbage: None) -> None:
    """In all of these tests functions keep clients."""
