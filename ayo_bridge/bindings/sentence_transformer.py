"""The boundary of sentence-transformers: ``SentenceTransformer.encode``, ``CrossEncoder.predict``.

Under a scope a call of either is a request to the model's engine scheduler, which fuses requests of
many queries into one call of the original method wherever that gives each of them what it would
have got alone (:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.following import followed
from ayo_bridge.bindings.interception import observe, serve
from ayo_bridge.engines.model_requests import ModelRequest, make_call, own
from ayo_bridge.engines.registered_models import register
from ayo_bridge.engines.sentence_transformer import (
    CrossEncoderModel,
    EmbeddingModel,
    Model,
    embedding_call,
)
from ayo_bridge.seam import Answer, BoundaryCall, Call, Fields, Scope, current_scope

_LIBRARY: Final = "sentence_transformers"
_unkeyed: Final = itertools.count()


def _encode(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)

    def intercepted() -> Any:
        return _intercepted(EmbeddingModel, scope, wrapped, instance, args, kwargs)

    follower = scope.follower
    call = None if follower is None else _boundary_call(scope, instance, args, kwargs)
    if follower is None or call is None:
        return intercepted()
    return followed(follower, call, intercepted)


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


# For who follows a scope.


def _boundary_call(
    scope: Scope, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BoundaryCall | None:
    """An ``encode`` as it is followed; ``None``: it is not."""
    engine = register(EmbeddingModel, model, scope.runtime)
    try:
        call = make_call(
            engine, EmbeddingModel.original(), model, args, kwargs, EmbeddingModel.is_item
        )
        asked = call.payload
        assert isinstance(asked, ModelRequest)
        options = json.dumps(dict(asked.arguments), sort_keys=True)
    except (TypeError, ValueError):
        return None
    single, texts = asked.single, tuple(asked.inputs)
    fields = {"engine": engine, "texts": list(texts), **json.loads(options)}
    return BoundaryCall(
        kind="embedding",
        owner=model,
        request=lambda: fields,
        answer=partial(_vectors, single),
        remake=None if _bound_to_thread(model) else partial(_remade, engine, single),
        manner=(engine, single),
        engine=engine,
    )


def _remade(engine: str, single: bool, model: Any, fields: Fields) -> Call:
    """The call of ``model`` for other texts.

    Raises:
        ValueError: it is left to the original.
    """
    rest = dict(fields)
    texts = rest.pop("texts")
    if rest.pop("engine") != engine or not isinstance(texts, list) or (single and len(texts) != 1):
        raise ValueError("another model is asked, or in another form")
    return embedding_call(engine, model, texts[0] if single else texts, rest)


def _vectors(single: bool, result: Any) -> Answer:
    """The vectors of a result.

    Raises:
        ValueError: it has none (token embeddings, a dictionary).
    """
    try:
        rows = [result] if single else list(result)
        return Answer(vectors=tuple(tuple(map(float, row.tolist())) for row in rows))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"no vectors: {error!r}") from error


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
