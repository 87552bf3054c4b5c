"""Engines are measured before the comparison, as ``ayo-bridge profile`` does, so that nothing is
measured beside it. Profiles of models are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ayo_bridge import Runtime
from ayo_bridge.engines.model_timing import measure
from ayo_bridge.engines.sentence_transformer import profile_name, served_by
from ayo_bridge.profile import EngineProfile, ProfileStore, measure_batches
from ayo_bridge.profile.llm_server import llm_profile_name, measure_llm
from ayo_bridge.seam import Engine
from ayo_bridge.serving.vllm_server import VLLMServer
from examples.demo.settings import Settings, cache_directory

_LARGEST_BATCH = 16


def measured_runtime(
    settings: Settings,
    server: VLLMServer,
    models: list[Any],
    on_step: Callable[[str], None],
    engines: Sequence[Engine] = (),
) -> Runtime:
    """A runtime that knows what its engines cost.

    Args:
        settings: of the demo.
        server: the LLM's.
        models: of sentence-transformers.
        on_step: gets the name of what is being measured.
        engines: the runtime's that run elsewhere.
    """
    store = ProfileStore(cache_directory() / "demo" / "profiles")
    for model in models:
        name = profile_name(model)
        if store.load(name, "local") is None:
            on_step(name)
            curve = measure_batches(measure(model, served_by(model)), _LARGEST_BATCH, repeats=3)
            store.save(name, "local", EngineProfile.measured(name.partition(":")[0], curve))
    name = llm_profile_name(server.url, server.model_name)
    on_step(name)
    profile, _, _ = measure_llm(server.url, server.model_name, repeats=1 if settings.tiny else 3)
    # Our own launcher has switched the server's priority scheduling on.
    runtime = Runtime(priority=True, measure=False, profiles=store, engines=engines)
    runtime.profiles.publish(name, profile)
    return runtime
