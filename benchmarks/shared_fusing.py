"""What ``benchmarks.shared_engines`` asks of a placement: how calls are fused, what a call costs.

Eight processes without any model embed eight texts each at the same moment, in one real MiniLM.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import psutil

from ayo_bridge import Embedding, Runtime
from ayo_bridge.engines.shared.made import MadeEngine
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.engines.shared.ray_reach import RayActor
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from ayo_bridge.workflow.requests import Embed

PROCESSES = 8
TEXTS = 8
MOST_BATCHES = 3
MOST_SECONDS = 0.002
_CALLS = 300
_WITHIN = 300.0


class Texts(BatchEngine):
    """Embeds a text a call; ``None`` is answered at once, and a truth value with the batches."""

    kind = EngineKind.EMBEDDING
    limits = Limits(instances=1)

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.name = "texts"
        self._model = SentenceTransformer(model, device="cpu")
        self._batches = 0

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Embed all texts in one call."""
        texts = [call.payload for call in calls]
        if not isinstance(texts[0], str):
            return [self._batches if text else None for text in texts]
        self._batches += 1
        return list(self._model.encode(texts, batch_size=64, show_progress_bar=False))


def make(model: str) -> Texts:
    """The engine, in the process or actor."""
    return Texts(model)


def _runtime(placement: SharedProcess | RayActor, model: str) -> Runtime:
    where = "benchmarks.shared_fusing:make"
    made = MadeEngine("texts", EngineKind.EMBEDDING, where, placement=placement, model=model)
    return Runtime(engines=[made])


def _ask(runtime: Runtime, payload: object, group: str | None = None) -> Future[Any]:
    call = Call("texts", object(), payload, group=group)
    return runtime.scheduler("texts").submit(call, query=os.getpid(), node="embed").future


def _client(placement: Any, model: str, barrier: Any) -> None:
    runtime = _runtime(placement, model)
    _ask(runtime, None).result(_WITHIN)
    barrier.wait(_WITHIN)
    asked = [_ask(runtime, f"text {n} of process {os.getpid()}", "texts") for n in range(TEXTS)]
    for each in asked:
        each.result(_WITHIN)
    barrier.wait(_WITHIN)
    runtime.close()


def fused(placement: SharedProcess | RayActor, model: str) -> int:
    """In how many batches all texts of all processes ran."""
    runtime = _runtime(placement, model)
    before = _ask(runtime, True).result(_WITHIN)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    clients = [
        context.Process(target=_client, args=(placement, model, barrier)) for _ in range(PROCESSES)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(_WITHIN)
    if any(client.exitcode for client in clients):
        raise RuntimeError("a client has failed")
    after = _ask(runtime, True).result(_WITHIN)
    runtime.close()
    return int(after - before)


def overhead(placement: SharedProcess | RayActor, model: str) -> float:
    """Median seconds of a call that the engine answers at once."""
    runtime = _runtime(placement, model)
    _ask(runtime, None).result(_WITHIN)
    taken = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        _ask(runtime, None).result(_WITHIN)
        taken.append(time.perf_counter() - began)
    runtime.close()
    return statistics.median(taken)


def _workflow(placement: Any, model: str, sizes: Any) -> None:
    declared = Embedding(model, placement=placement)
    runtime = Runtime(engines=[declared])
    call = declared.to_request(Call(declared.name, object(), Embed(("a text",))))
    asked = runtime.scheduler(declared.name).submit(call, query=os.getpid(), node="embed")
    asked.future.result(_WITHIN)
    sizes.put(psutil.Process().memory_full_info().pss / 1e6)
    runtime.close()


def client_memory(placement: SharedProcess | RayActor, model: str) -> float:
    """PSS in MB of a process that asks a model by its name, and loads none."""
    context = multiprocessing.get_context("spawn")
    sizes = context.Queue()
    client = context.Process(target=_workflow, args=(placement, model, sizes))
    client.start()
    found = float(sizes.get(timeout=_WITHIN))
    client.join(_WITHIN)
    return found
