"""The boundary of sentence-transformers: ``SentenceTransformer.encode``, ``CrossEncoder.predict``.

Under a scope a call of either is a request to the model's engine scheduler, which fuses requests of
many queries into one call of the original method wherever that gives each of them what it would
have got alone (:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings import side_by_side
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
    rerank_call,
)
from ayo_bridge.seam import (
    Answer,
    BoundaryCall,
    Call,
    Fields,
    FoundItem,
    Scope,
    Unkeyed,
    current_scope,
)

_LIBRARY: Final = "sentence_transformers"
MOST_NUMBERS: Final = 125_000
"""Of the vectors of one call that are followed: a trace has no room for more."""


def _encode(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    return _followed(EmbeddingModel, scope, wrapped, instance, args, kwargs)


def _predict(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    return _followed(CrossEncoderModel, scope, wrapped, instance, args, kwargs)


def _followed(
    engine: type[Model],
    scope: Scope,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    def intercepted() -> Any:
        return _intercepted(engine, scope, wrapped, instance, args, kwargs)

    follower = scope.follower
    call = None if follower is None else _boundary_call(engine, scope, instance, args, kwargs)
    if follower is None or call is None:
        return intercepted()
    return followed(follower, call, intercepted)


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
        call = Call(name, Unkeyed(name), None)
        return observe(scope, call, engine.kind, original, own)
    if _bound_to_thread(instance):
        return observe(scope, call, engine.kind, original, own)
    batch = side_by_side.batch_of(scope, call) if engine is EmbeddingModel else 0
    if batch:
        ahead = scope.claim(call.key)
        hit = None if ahead is None else ahead.wait()
        return side_by_side.embedded(scope, call, batch) if hit is None else own(hit.value)
    return serve(scope, call, engine.kind, original, own)


# For who follows a scope.


def _boundary_call(
    kind: type[Model], scope: Scope, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BoundaryCall | None:
    """An ``encode`` or ``predict`` as it is followed; ``None``: it is not."""
    engine = register(kind, model, scope.runtime)
    try:
        call = make_call(engine, kind.original(), model, args, kwargs, kind.is_item)
        asked = call.payload
        assert isinstance(asked, ModelRequest)
        options = json.loads(json.dumps(dict(asked.arguments), sort_keys=True))
    except (TypeError, ValueError):
        return None
    made = _reranking if kind is CrossEncoderModel else _embedding
    known = made(engine, asked, options)
    return known if not _bound_to_thread(model) else replace(known, remake=None)


def _embedding(engine: str, asked: ModelRequest, options: Mapping[str, Any]) -> BoundaryCall:
    single, texts = asked.single, list(asked.inputs)
    return BoundaryCall(
        kind="embedding",
        owner=asked.model,
        request=lambda: {"engine": engine, "texts": texts, **options},
        answer=partial(_vectors, single),
        remake=partial(_embedded, engine, single),
        cut=None if single else _cut,
        manner=(engine, single),
        engine=engine,
    )


def _cut(call: Call, size: int, told: Callable[[Answer], None]) -> Call:
    """The call in parts of ``size`` texts, if each text has the same vector in any batch."""
    asked = call.payload
    if call.group is None or not isinstance(asked, ModelRequest):
        return call
    staged = replace(asked, stage=size, told=lambda rows: told(_vectors(False, rows)))
    return replace(call, payload=staged, group=None)  # Nothing else runs with its parts.


def _embedded(engine: str, single: bool, model: Any, fields: Fields) -> Call:
    """The call of ``model`` for other texts.

    Raises:
        ValueError: it is left to the original.
    """
    texts, rest = _taken(engine, single, "texts", fields)
    return embedding_call(engine, model, texts[0] if single else texts, rest)


def _reranking(engine: str, asked: ModelRequest, options: Mapping[str, Any]) -> BoundaryCall:
    single, pairs = asked.single, [list(pair) for pair in asked.inputs]
    forms: list[type[Any]] = list({type(pair) for pair in asked.inputs})
    return BoundaryCall(
        kind="rerank",
        owner=asked.model,
        request=lambda: {"engine": engine, "pairs": pairs, **options},
        answer=partial(_ranked, single, [text for _, text in pairs]),
        remake=partial(_reranked, engine, single, forms[0]) if len(forms) == 1 else None,
        manner=(engine, single, *forms),
        engine=engine,
    )


def _reranked(engine: str, single: bool, form: type[Any], model: Any, fields: Fields) -> Call:
    """The call of ``model`` for other pairs; ``form`` is what the original makes them of.

    Raises:
        ValueError: it is left to the original.
    """
    pairs, rest = _taken(engine, single, "pairs", fields)
    made = [form(pair) for pair in pairs]
    return rerank_call(engine, model, made[0] if single else made, rest)


def _taken(
    engine: str, single: bool, name: str, fields: Fields
) -> tuple[list[Any], dict[str, Any]]:
    """The inputs of a request and its options.

    Raises:
        ValueError: it is not one of this form.
    """
    rest = dict(fields)
    inputs = rest.pop(name, None)
    wanted = isinstance(inputs, list) and (len(inputs) == 1 or not single)
    if rest.pop("engine", None) != engine or not wanted:
        raise ValueError("another model is asked, or in another form")
    return inputs, rest


def _vectors(single: bool, result: Any) -> Answer:
    """The vectors of a result.

    Raises:
        ValueError: it has none (token embeddings, a dictionary), or too many.
    """
    try:
        rows = [result] if single else list(result)
        if rows and len(rows) * len(rows[0]) > MOST_NUMBERS:
            raise ValueError("so many vectors are an index being built, not a query")
        return Answer(vectors=tuple(tuple(map(float, row.tolist())) for row in rows))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"no vectors: {error!r}") from error


def _ranked(single: bool, texts: Sequence[str], result: Any) -> Answer:
    """The texts by their scores, the best first; equal ones stay in their order.

    Raises:
        ValueError: a text has more than one score, or none.
    """
    try:
        scores = [float(score) for score in ([result] if single else result)]
        scored = list(zip(scores, texts, strict=True))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no scores: {error!r}") from error
    scored.sort(key=lambda each: -each[0])
    return Answer(items=tuple(FoundItem(text, "", {}) for _, text in scored))


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
