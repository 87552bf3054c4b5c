"""Fixtures of the stub OpenAI server: in this process, or in one of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.stub_openai import StubOpenAI, StubProcess


@pytest.fixture
def stub_openai() -> Iterator[StubOpenAI]:
    """A stub OpenAI server with 100 ms a call; its settings may be changed while it runs."""
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture
def stub_process() -> Iterator[Callable[..., StubProcess]]:
    """Starts stubs in processes of their own; arguments are those of `StubProcess`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(StubProcess(**settings))
