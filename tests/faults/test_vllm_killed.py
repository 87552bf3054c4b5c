"""A real vLLM is killed in the middle of a query: the caller sees what the original gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ayo_bridge import Runtime, accelerate
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import tree
from tests.processes import all_gone, descendants

if TYPE_CHECKING:
    from ayo_bridge.serving.vllm_server import VLLMServer

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


def _raised(ask: Callable[[], Any]) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask()
    return f"{type(raised.value).__qualname__}: {raised.value}"


def test_a_real_vllm_is_killed_in_the_middle(
    vllm_server: VLLMServer, env: Env, runtime: Runtime
) -> None:
    def engine() -> Any:
        model = parts.llm(
            env,
            model=vllm_server.model_name,
            api_base=vllm_server.url,
            max_tokens=400,
            timeout=60.0,
            additional_kwargs={"extra_body": {"ignore_eos": True}},
        )
        return tree(env, model=model)

    assert vllm_server.pid is not None
    processes = descendants(vllm_server.pid)
    fast = accelerate(engine(), runtime=runtime)
    killer = threading.Timer(0.5, vllm_server.kill)
    killer.start()
    seen = [_raised(lambda: fast.query("one"))]
    killer.join()
    seen.append(_raised(lambda: engine().query("one")))
    seen.append(_raised(lambda: fast.query("one")))
    assert seen == ["APIConnectionError: Connection error."] * 3
    assert not vllm_server.alive
    eventually(lambda: all_gone(processes), "the end of a killed server")
