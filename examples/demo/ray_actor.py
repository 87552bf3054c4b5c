"""The embedding model in an actor of a Ray cluster, for ``--ray``: the accelerated arm asks it.

The original keeps its model in this process. So identical answers say that an actor gives what the
application's own model would have given.
"""

from __future__ import annotations

import importlib
import signal
import time
from contextlib import ExitStack
from typing import Any

from ayo_bridge import Embedding, RayActor, Runtime
from ayo_bridge.engines.declared_models import SharedModel
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.shared.ray_reach import NAMESPACE
from ayo_bridge.errors import EngineUnavailableError
from examples.demo.engines import embedding_name
from examples.demo.settings import Settings

_WITHIN = 300.0
"""Seconds for loading a model."""


class PlacedEmbedding:
    """A cluster on this machine, which ends with ``stack``, and the model in an actor of it.

    Raises:
        EngineUnavailableError: Ray is not installed.
    """

    def __init__(self, stack: ExitStack, settings: Settings) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise EngineUnavailableError(
                "--ray needs Ray: pip install 'ayo-bridge[ray]'"
            ) from error
        kept = signal.getsignal(signal.SIGTERM)  # Ray puts its own in the place of ours.
        stack.callback(self._ray.shutdown)
        quiet = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
        self._ray.init("local", num_cpus=1, **quiet)
        signal.signal(signal.SIGTERM, kept)
        self.declared = Embedding(embedding_name(settings), placement=RayActor())

    def wait(self, runtime: Runtime, model: Any) -> None:
        """Return once calls of a model go to the actor.

        Raises:
            EngineUnavailableError: they do not.
        """
        engine = runtime.engine(engine_for(model, runtime))
        assert isinstance(engine, SharedModel), "it was declared"
        until = time.monotonic() + _WITHIN
        while not engine.elsewhere:
            if time.monotonic() > until:
                raise EngineUnavailableError(f"the embedding model {engine.shared}")
            time.sleep(0.1)

    def counted(self) -> tuple[int, int]:
        """How many batches the actor has run, and how many calls were in them."""
        (known,) = self._ray.util.list_named_actors(all_namespaces=True)
        assert known["namespace"] == NAMESPACE, "nobody else uses the cluster"
        batches, calls = self._ray.get(self._ray.get_actor(**known).batches.remote())
        return int(batches), int(calls)
