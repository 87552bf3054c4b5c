import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.profile import ProfileStore
from tests.differential.langchain_parts import close_clients, writes_queries
from tests.proofs import prove
from tests.stub_openai import StubOpenAI


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    """A stub that writes three queries where it is asked to."""
    with StubOpenAI(latency=0.005) as server:
        writes_queries(server)
        yield server


@pytest.fixture(autouse=True)
async def clients() -> AsyncIterator[None]:
    """Clients are closed on the loop that they were used on."""
    yield
    await close_clients()


@pytest.fixture(autouse=True)
def garbage(little_garbage: None) -> Iterator[None]:
    """What the SDK's clients leave open goes now, and not in the middle of another test.

    A request that fails, or a client that a copy made, closes its socket only when it is collected.
    Sockets of our own are watched by the tests of the engines and of the hazards.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def runtime(tmp_path: Any) -> Iterator[Runtime]:
    """A runtime of its own, without profiles of earlier runs."""
    made = Runtime(profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture
def fast(runtime: Runtime) -> Callable[[Any], Any]:
    """Accelerates with the test's own runtime."""
    return lambda obj: accelerate(obj, runtime=runtime)


@pytest.fixture
def proven(runtime: Runtime) -> Callable[[], None]:
    """Waits until the server is proven to stream what it would have replied."""
    return lambda: prove(runtime)
