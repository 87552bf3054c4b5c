"""The untrained Llama that benchmarks ask: 28 M parameters in float32, whose text is noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.demo.settings import cache_directory

if TYPE_CHECKING:
    from ayo_bridge.serving.vllm_server import VLLMServer


def untrained_llama() -> Path:
    """Its folder; it is made once on a machine."""
    from ayo_bridge.serving.random_llama import make_random_llama

    return make_random_llama(cache_directory() / "models" / "random-llama")


def untrained_server(
    *, cores: Sequence[int] = (), extra_args: Sequence[str] = (), **options: Any
) -> VLLMServer:
    """A vLLM that serves it, and whose prefix cache can be emptied."""
    from ayo_bridge.serving.vllm_server import VLLMServer

    return VLLMServer(
        untrained_llama(),
        dtype="float32",
        kv_cache_gib=1,
        cores=cores,
        extra_args=["--enforce-eager", *extra_args],
        env={"VLLM_SERVER_DEV_MODE": "1"},  # Brings /reset_prefix_cache.
        **options,
    )
