"""The boundary of sentence-transformers: ``SentenceTransformer.encode``, ``CrossEncoder.predict``.

Under a scope a call of either is a request to the model's engine scheduler, which fuses requests of
many queries into one call of the original method wherever that gives each of them what it would
have got alone (:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.interception import observe, serve
from ayo_bridge.engines.model_requests import make_call, own
from ayo_bridge.engines.registered_models import register
from ayo_bridge.engines.sentence_transformer import CrossEncoderModel, EmbeddingModel, Model
from ayo_bridge.seam import Call, Scope, current_scope

_LIBRARY: Final = "sentence_transformers"
_unkeyed: Final = itertools.count()


def _encode(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    return _intercepted(EmbeddingModel, scope, wrapped, instance, args, kwargs)


def _predict(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    return _intercepted(CrossEncoderModel, scope, wrapped, instance, args, kwargs)


def _intercepted(
    engine: type[Model],
    scope: Scope,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    name = register(engine, instance, scope.runtime)

    def original() -> Any:
        return wrapped(*args, **kwargs)

    try:
        call = make_call(name, engine.original(), instance, args, kwargs, engine.is_item)
    except ValueError:
        call = Call(name, (name, "left to the original", next(_unkeyed)), None)
        return observe(scope, call, engine.kind, original, own)
    if _bound_to_thread(instance):
        return observe(scope, call, engine.kind, original, own)
    return serve(scope, call, engine.kind, original, own)


def _bound_to_thread(model: Any) -> bool:
    """Whether the calling thread has set something up that an engine's thread would miss."""
    torch = sys.modules["torch"]
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        return True
    if model.device.type != "cuda":
        return False
    # Another stream: the engine's work would not be ordered with the caller's.
    return bool(torch.cuda.current_stream() != torch.cuda.default_stream())


BINDINGS: Final = (
    Binding(
        "sentence-transformers",
        "sentence-transformers",
        ("5.0", "7.0"),
        (
            Target(_LIBRARY, "SentenceTransformer.encode", _encode),
            Target(_LIBRARY, "CrossEncoder.predict", _predict),
        ),
    ),
)
