"""Fixtures of the differential tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge.runtime import Runtime
from tests.differential.harness import Case, Env, runtime_for
from tests.differential.llama_index import collect_garbage
from tests.stub_openai import StubOpenAI


@pytest.fixture(scope="session")
def differential_stub() -> Iterator[StubOpenAI]:
    """A stub that all rows share; each run resets it."""
    with StubOpenAI(latency=0.002) as stub:
        yield stub


@pytest.fixture
def env(differential_stub: StubOpenAI, request: pytest.FixtureRequest) -> Env:
    return Env(differential_stub, request.getfixturevalue)


@pytest.fixture
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    """The runtime of the case that the test is parametrised with."""
    case: Case = request.node.callspec.params["case"]
    made = runtime_for(case, tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage() -> Iterator[None]:
    yield
    collect_garbage()
