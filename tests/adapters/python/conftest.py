import pytest

from tests.learning_fixtures import leaves_no_garbage, runtime, stub

__all__ = ["leaves_no_garbage", "runtime", "stub"]


@pytest.fixture(autouse=True, scope="module")
def _leaves_no_garbage(leaves_no_garbage: None) -> None:
    """In all of these tests functions keep clients."""
