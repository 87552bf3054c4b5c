"""Models of sentence-transformers that the application has, as engines of a runtime."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

from ayo_bridge.engines.declared_models import shared_by
from ayo_bridge.engines.live_names import LiveNames, base_name
from ayo_bridge.engines.model_timing import measure
from ayo_bridge.engines.sentence_transformer import (
    CrossEncoderModel,
    EmbeddingModel,
    Model,
    readable,
)
from ayo_bridge.seam import EngineHome

_names: Final = LiveNames()
_shared_names: Final = LiveNames()


def engine_for(model: Any, runtime: EngineHome) -> str:
    """The name of an embedding model's engine, e.g. ``embedding:all-MiniLM-L6-v2``.

    It is registered with the runtime once.
    """
    return register(EmbeddingModel, model, runtime)


def cross_encoder_for(model: Any, runtime: EngineHome) -> str:
    """The name of a cross-encoder's engine, e.g. ``reranker:ms-marco-MiniLM-L6-v2``."""
    return register(CrossEncoderModel, model, runtime)


def register(engine: type[Model], model: Any, runtime: EngineHome, *, times_best: int = 1) -> str:
    """The name of a model's engine, registered with the runtime once.

    Where the user has declared the model, its calls run where that says. A batch takes up to
    ``times_best`` times b*.
    """
    for names in (_shared_names, _names):
        name = names.find(model)
        if name is not None and runtime.knows(name):
            return name
    label = readable(engine, model)
    shared = shared_by(runtime.engine(label), engine)
    if shared is not None:
        name = _shared_names.name(model, f"{label}@shared")
        best = runtime.best_batch(name, base_name(name))
        runtime.register(shared(name, model, best_batch=best, strict=runtime.strict))
        return name
    name = _names.name(model, label)
    # Objects loaded from the same place cost the same.
    best = runtime.best_batch(name, base_name(name))
    elsewhere = model.device.type != "cpu"
    made = engine(
        name,
        best_batch=lambda: (best() or 0) * times_best or None,
        strict=runtime.strict,
        accelerated=elsewhere,
    )
    runtime.register(made)
    if not runtime.strict:
        runtime.measure_in_background(name, base_name(name), _timed(engine, weakref.ref(model)))
    return name


def _timed(engine: type[Model], reference: weakref.ref[Any]) -> Callable[[int], float | None]:
    """Times batches of a model for as long as somebody else keeps it alive."""

    def run(size: int) -> float | None:
        model = reference()
        return None if model is None else measure(model, engine)(size)

    return run
