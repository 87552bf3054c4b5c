"""Embedding models and cross-encoders of sentence-transformers, as engines.

The boundary is ``SentenceTransformer.encode`` and ``CrossEncoder.predict``. Under a scope a call of
either is a request to the model's engine scheduler, which fuses requests of many queries into one
call of the original method wherever that gives each of them what it would have got alone
(:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ayo_bridge.engines.binding import Binding, Target
from ayo_bridge.engines.interception import observe, serve
from ayo_bridge.engines.live_names import LiveNames, base_name, model_name
from ayo_bridge.engines.model_requests import ModelRequest, apart, default, make_call, own
from ayo_bridge.engines.protocol import Call, EngineKind, Limits
from ayo_bridge.runahead.current import current_scope

if TYPE_CHECKING:
    from ayo_bridge.runahead.scope import Scope
    from ayo_bridge.runtime import Runtime

_LIBRARY: Final = "sentence_transformers"
_names: Final = LiveNames()
_unkeyed: Final = itertools.count()


class _Model:
    """What the two kinds of models have in common.

    Holds no model: requests bring it along, so that an engine does not keep it alive.
    ``max_items`` is the most texts or pairs in one batch (b*); ``strict`` never fuses.
    """

    kind: EngineKind
    cls: ClassVar[str]
    method: ClassVar[str]

    def __init__(self, name: str, *, max_items: int | None = None, strict: bool = False) -> None:
        self.name = name
        self.limits = Limits(instances=1, max_items=1 if strict else max_items)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run requests of one group as one call of the original method."""
        requests = [_request(call) for call in calls]
        original = self.original()
        if len(requests) == 1:
            return [requests[0].run(original)]
        first = requests[0]
        joined = [item for request in requests for item in request.inputs]
        arguments = {**first.arguments, "batch_size": self._batch_size(first, len(joined))}
        result = original(first.model, joined, **arguments)
        if len(result) != len(joined):
            raise RuntimeError(f"{len(result)} results for {len(joined)} inputs")
        return list(apart(result, requests))

    def _batch_size(self, request: ModelRequest, items: int) -> int:
        """The caller's, or more if more has been measured to pay on this model.

        A caller with one text a call never chose a size for many. 32 short texts of MiniLM on one
        core take 0.105 s at once and 0.122 s by 10.
        """
        given = request.arguments.get("batch_size", default(self.original(), "batch_size"))
        return max(int(given), min(items, self.limits.max_items or 0))

    @staticmethod
    def is_item(item: Any) -> bool:
        """Whether an input is one text or pair, not a batch of them."""
        raise NotImplementedError

    @classmethod
    def original(cls) -> Callable[..., Any]:
        """The library's own function, below our wrapper if that is on."""
        function: Any = inspect.getattr_static(_class(cls), cls.method)
        below = function
        while below is not None:
            if getattr(below, "_self_wrapper", None) in (_encode, _predict):
                below = function = below.__wrapped__
                break
            below = getattr(below, "__wrapped__", None)
        found: Callable[..., Any] = function
        return found


class EmbeddingModel(_Model):
    """A ``SentenceTransformer``; one call is one ``encode``."""

    kind = EngineKind.EMBEDDING
    cls = "SentenceTransformer"
    method = "encode"

    @staticmethod
    def is_item(item: Any) -> bool:
        """Whether it is one text."""
        return isinstance(item, str)


class CrossEncoderModel(_Model):
    """A ``CrossEncoder``; one call is one ``predict``."""

    kind = EngineKind.RERANKER
    cls = "CrossEncoder"
    method = "predict"

    @staticmethod
    def is_item(item: Any) -> bool:
        """Whether it is one pair of texts."""
        if type(item) not in (list, tuple) or len(item) != 2:
            return False
        return all(isinstance(text, str) for text in item)


def engine_for(model: Any, runtime: Runtime) -> str:
    """The name of an embedding model's engine, e.g. ``embedding:all-MiniLM-L6-v2``.

    It is registered with the runtime once.
    """
    return _register(EmbeddingModel, model, runtime)


def cross_encoder_for(model: Any, runtime: Runtime) -> str:
    """The name of a cross-encoder's engine, e.g. ``reranker:ms-marco-MiniLM-L6-v2``."""
    return _register(CrossEncoderModel, model, runtime)


def profile_name(model: Any) -> str:
    """The name under which the cost of a model is kept: what all its copies' engines share.

    Raises:
        TypeError: ``model`` is neither a ``SentenceTransformer`` nor a ``CrossEncoder``.
    """
    for engine in (EmbeddingModel, CrossEncoderModel):
        if isinstance(model, _class(engine)):
            return _readable(engine, model)
    raise TypeError(f"{type(model).__name__} is no model of sentence-transformers")


def embedding_call(
    engine_name: str,
    model: Any,
    texts_or_text: str | Sequence[str],
    kwargs: Mapping[str, Any],
) -> Call:
    """The request that ``model.encode(texts_or_text, **kwargs)`` makes, with the very same key.

    Raises:
        ValueError: such a call is left to the original (not text, a pool of processes, ...).
    """
    return _ahead(EmbeddingModel, engine_name, model, texts_or_text, kwargs)


def rerank_call(
    engine_name: str,
    model: Any,
    pairs_or_pair: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Call:
    """The request that ``model.predict(pairs_or_pair, **kwargs)`` makes, with the very same key.

    Raises:
        ValueError: such a call is left to the original.
    """
    return _ahead(CrossEncoderModel, engine_name, model, pairs_or_pair, kwargs)


def _ahead(
    engine: type[_Model], name: str, model: Any, inputs: Any, kwargs: Mapping[str, Any]
) -> Call:
    known = inspect.getattr_static(_class(engine), engine.method)
    if inspect.getattr_static(model, engine.method, None) is not known:
        raise ValueError(f"{type(model).__name__}.{engine.method} is not the library's own")
    return make_call(name, engine.original(), model, (inputs,), kwargs, engine.is_item)


def _register(engine: type[_Model], model: Any, runtime: Runtime) -> str:
    name = _names.find(model)
    if name is not None and runtime.knows(name):
        return name
    name = _names.name(model, _readable(engine, model))
    # Objects loaded from the same place cost the same.
    profile = runtime.store.load(base_name(name), "local")
    best = None if profile is None else profile.best_batch
    runtime.register(engine(name, max_items=best, strict=runtime.strict))
    if not runtime.strict:
        runtime.measure_in_background(name, base_name(name), _timed(weakref.ref(model)))
    return name


def _timed(reference: weakref.ref[Any]) -> Callable[[int], float | None]:
    """Times batches of a model for as long as somebody else keeps it alive."""

    def run(size: int) -> float | None:
        from ayo_bridge.engines.model_timing import measure

        model = reference()
        return None if model is None else measure(model)(size)

    return run


def _class(engine: type[_Model]) -> type:
    found: type = getattr(importlib.import_module(_LIBRARY), engine.cls)
    return found


def _request(call: Call) -> ModelRequest:
    if not isinstance(call.payload, ModelRequest):
        raise TypeError(f"not a request to a model: {type(call.payload).__name__}")
    return call.payload


def _readable(engine: type[_Model], model: Any) -> str:
    """Kind and model, e.g. ``embedding:all-MiniLM-L6-v2``, as far as the model knows its source."""
    for module in model.modules():
        source = getattr(getattr(module, "config", None), "_name_or_path", None)
        if isinstance(source, str) and source:
            return f"{engine.kind.value}:{model_name(source)}"
    return f"{engine.kind.value}:{type(model).__name__}"


# The binding.


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
    engine: type[_Model],
    scope: Scope,
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    name = _register(engine, instance, scope.runtime)

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
