"""The same cases with the next major version of the SDK, which is built on httpx2."""

from importlib.metadata import version

from tests.bindings.openai_http.test_openai_sdk import *  # noqa: F403
from tests.bindings.openai_http.test_replay import *  # noqa: F403
from tests.bindings.openai_http.test_replay_clients import *  # noqa: F403
from tests.bindings.openai_http.test_replay_failures import *  # noqa: F403
from tests.bindings.openai_http.test_replay_streams import *  # noqa: F403


def test_this_is_the_next_sdk() -> None:
    assert int(version("openai").split(".")[0]) >= 3
