"""Embedding models and cross-encoders of sentence-transformers, as engines.

A batch of requests runs as one call of the original method, wherever that gives each of them what
it would have got alone (:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from ayo_bridge.engines.live_names import model_name
from ayo_bridge.engines.model_requests import ModelRequest, apart, default, make_call
from ayo_bridge.engines.originals import original
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits

_LIBRARY: Final = "sentence_transformers"


class Model(BatchEngine):
    """What the two kinds of models have in common.

    Holds no model: requests bring it along, so that an engine does not keep it alive.
    ``max_items`` is the most texts or pairs in one batch; where it is left open, ``best_batch``
    tells b* as it is known at that moment. ``strict`` never fuses. On a CPU it
    has as many instances as threads of the original's could use side by side: the cores over the
    threads that torch takes for one call. ``accelerated`` says that the model is elsewhere; there
    is one instance then.
    """

    kind: EngineKind
    cls: ClassVar[str]
    method: ClassVar[str]

    def __init__(
        self,
        name: str,
        *,
        max_items: int | None = None,
        best_batch: Callable[[], int | None] = lambda: None,
        strict: bool = False,
        accelerated: bool = False,
    ) -> None:
        self.name = name
        self._max_items = 1 if strict else max_items
        self._best_batch = best_batch
        self._accelerated = accelerated
        self._known = Limits()

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """How much it takes at once, by the number of threads that torch has now and b*."""
        instances = 1 if self._accelerated else side_by_side()
        items = self._max_items or self._best_batch()
        known = self._known
        if (known.instances, known.max_items) != (instances, items):
            known = self._known = Limits(instances=instances, max_items=items)
        return known

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
        return original(library_class(cls), cls.method)


def side_by_side() -> int:
    """How many calls of a model run side by side on this machine's cores."""
    torch = sys.modules.get("torch")
    threads = 1 if torch is None else torch.get_num_threads()
    return max(1, CORES // threads)


def _cores() -> int:
    """Of this process; what takes a share of a node's has it in its environment."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = os.environ.get("AYO_CORES", "")
    return min(cores, int(share)) if share.isdecimal() and int(share) else cores


CORES: Final = _cores()


class EmbeddingModel(Model):
    """A ``SentenceTransformer``; one call is one ``encode``."""

    kind = EngineKind.EMBEDDING
    cls = "SentenceTransformer"
    method = "encode"

    @staticmethod
    def is_item(item: Any) -> bool:
        """Whether it is one text."""
        return isinstance(item, str)


class CrossEncoderModel(Model):
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


def served_by(model: Any) -> type[Model]:
    """The kind of engine that serves a model.

    Raises:
        TypeError: ``model`` is neither a ``SentenceTransformer`` nor a ``CrossEncoder``.
    """
    for engine in (EmbeddingModel, CrossEncoderModel):
        if isinstance(model, library_class(engine)):
            return engine
    raise TypeError(f"{type(model).__name__} is no model of sentence-transformers")


def profile_name(model: Any) -> str:
    """The name under which the cost of a model is kept: what all its copies' engines share.

    Raises:
        TypeError: ``model`` is neither a ``SentenceTransformer`` nor a ``CrossEncoder``.
    """
    return readable(served_by(model), model)


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


def identity_of(engine: Model, asked: ModelRequest) -> Hashable:
    """The key of a request, found from what it asks; ``None`` if it has none by now."""
    inputs = asked.inputs[0] if asked.single else asked.inputs
    try:
        return _ahead(type(engine), engine.name, asked.model, inputs, asked.arguments).key
    except ValueError:
        return None


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
    engine: type[Model], name: str, model: Any, inputs: Any, kwargs: Mapping[str, Any]
) -> Call:
    known = inspect.getattr_static(library_class(engine), engine.method)
    if inspect.getattr_static(model, engine.method, None) is not known:
        raise ValueError(f"{type(model).__name__}.{engine.method} is not the library's own")
    return make_call(name, engine.original(), model, (inputs,), kwargs, engine.is_item)


def library_class(engine: type[Model]) -> type:
    """The library's class that an engine serves."""
    found: type = getattr(importlib.import_module(_LIBRARY), engine.cls)
    return found


def _request(call: Call) -> ModelRequest:
    if not isinstance(call.payload, ModelRequest):
        raise TypeError(f"not a request to a model: {type(call.payload).__name__}")
    return call.payload


def readable(engine: type[Model], model: Any) -> str:
    """Kind and model, e.g. ``embedding:all-MiniLM-L6-v2``, as far as the model knows its source."""
    for module in model.modules():
        source = getattr(getattr(module, "config", None), "_name_or_path", None)
        if isinstance(source, str) and source:
            return f"{engine.kind.value}:{model_name(source)}"
    return f"{engine.kind.value}:{type(model).__name__}"
