"""Embedding models and rerankers that the user declares: which model, and where it runs.

With ``Runtime(engines=[Embedding("all-MiniLM-L6-v2", placement=SharedProcess())])`` the calls of
every object that the application has loaded from there go to that process. Each object is compared
first (:mod:`ayo_bridge.engines.shared.identity`), and whatever the process might answer otherwise
is left to the object itself: its weights are mapped from the same file, so they take no memory of
their own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from ayo_bridge.engines.declared import Declared, EmbeddingServers, RerankServers, Servers
from ayo_bridge.engines.live_names import model_name
from ayo_bridge.engines.model_requests import ModelRequest
from ayo_bridge.engines.sentence_transformer import (
    CrossEncoderModel,
    EmbeddingModel,
    Model,
    library_class,
)
from ayo_bridge.engines.shared.engine import SharedEngine
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.identity import fingerprint, settings_of, state_of
from ayo_bridge.engines.shared.model_calls import wired
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.engines.shared.ray_reach import RayActor
from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule import Home, Placement
from ayo_bridge.seam import Call, EngineKind, Limits

HOSTED_BY: Final = "ayo_bridge.engines.shared.hosted_model:host"


class DeclaredModel(SharedEngine, Declared):
    """A model by its source, and where it runs: in one place, or at servers.

    With a ``placement`` all objects of the application's that were loaded from the source go there.
    Native workflows use it by its ``name``, and need no object for that.

    With ``urls`` requests of accelerated calls to any of these servers go to one of them, as those
    to an :class:`~ayo_bridge.LLM`.

    Args:
        source: path or hub name, as the application gives it to the library; with ``urls`` the name
            by which requests ask for it.
        placement: where it runs.
        urls: base URLs, alike but for host and port. The application keeps the one that it has.
        routing: of requests to these: ``"least_delay"`` (the default), ``"least_outstanding"`` or
            ``"round_robin"``.
        load: for the library's constructor there, in JSON: ``revision``, ``cache_folder``,
            ``trust_remote_code``, ``model_kwargs``, ... What the application sets on its object
            later (``max_seq_length``, prompts) is taken over from that.

    Raises:
        ArgumentError: an argument is of a wrong kind or value, or there is neither a placement nor
            a URL, or both.
    """

    patient = True
    limits = Limits(continuous=True)
    serves: ClassVar[type[Model]]
    served_by: ClassVar[type[Servers]]

    def __init__(
        self,
        source: str,
        *,
        placement: SharedProcess | RayActor | None = None,
        urls: Sequence[str] | None = None,
        routing: str | None = None,
        **load: Any,
    ) -> None:
        if urls is not None:
            if placement is not None or load:
                more = [*load] if placement is None else ["placement", *load]
                raise ArgumentError(f"a model at urls is loaded there: leave {', '.join(more)}")
            options = {} if routing is None else {"routing": routing}
            self.servers = self.served_by(source, urls, **options)
        else:
            if routing is not None:
                raise ArgumentError("routing is for a model at several urls")
            _check(source, placement)
            self.placement = placement  # type: ignore[assignment]
        self.source, self.load = source, load
        self.name = f"{self.kind.value}:{model_name(source)}"
        self._lock = threading.Lock()
        self._model: Any = None

    def __str__(self) -> str:
        """What was declared, in words."""
        if self.servers is not None:
            return f"{self.name} at {len(self.servers.urls)} servers"
        where = "Ray actors" if isinstance(self.placement, RayActor) else "a shared process"
        return f"{self.name} in {where}"

    @property
    def settings(self) -> str:
        """What was declared of it, for people."""
        if self.servers is not None:
            return self.servers.settings
        loaded = "".join(f"; {name} {value!r}" for name, value in self.load.items())
        return f"model {self.source}; placement {self.placement}{loaded}"

    def placed(self, home: Home) -> Placement:
        """Where it runs.

        Raises:
            ArgumentError: that is at servers, which a runtime is told when it is made.
        """
        if self.servers is not None:
            raise ArgumentError(f"{self.name} has urls: pass it to Runtime(engines=[...])")
        return super().placed(home)

    def hello(self) -> Header:
        """How to load it there; there is none here that it could be compared with."""
        return _hello(self, device=_device(self.placement, "cpu"), settings={}, fingerprint="")

    def wired(self, call: Call) -> Header | None:
        """What a workflow asks."""
        asked = call.payload
        if not isinstance(asked, ModelRequest):
            return None
        return {"inputs": asked.inputs, "single": False, "arguments": dict(asked.arguments)}

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run calls here, where there is no process to share: the model is loaded then."""
        with self._lock:
            if self._model is None:
                load = {"device": _device(self.placement, "cpu"), **self.load}
                self._model = library_class(self.serves)(self.source, **load)
        original = self.serves.original()
        asked = [call.payload for call in calls if isinstance(call.payload, ModelRequest)]
        return [replace(each, model=self._model).run(original) for each in asked]

    def after_fork(self) -> None:
        """Leave the parent's connection alone."""
        self._lock = threading.Lock()
        super().after_fork()

    def _asked(self, call: Call, inputs: list[Any]) -> Call:
        quiet = {"show_progress_bar": False}
        return replace(call, payload=ModelRequest(None, inputs, False, quiet), items=len(inputs))


def _check(source: object, placement: object) -> None:
    if not isinstance(source, str) or not source:
        raise ArgumentError(f"a model is a path or a name, not {source!r}")
    if not isinstance(placement, SharedProcess | RayActor):
        wanted = "SharedProcess(...) or RayActor(...), or give urls"
        raise ArgumentError(f"placement is to be {wanted}, not {placement!r}")


class Embedding(DeclaredModel):
    """An embedding model: ``SentenceTransformer.encode`` of the application's own objects.

    In native workflows it serves :class:`~ayo_bridge.workflow.requests.Embed`.
    """

    kind = EngineKind.EMBEDDING
    serves = EmbeddingModel
    served_by = EmbeddingServers

    def to_request(self, call: Call) -> Call:
        """The texts of a workflow's request."""
        request: Any = call.payload
        return self._asked(call, list(request.texts))

    def to_value(self, call: Call, result: Any) -> list[object]:
        """A vector a text."""
        return list(result)


class Reranker(DeclaredModel):
    """A reranker: ``CrossEncoder.predict`` of the application's own objects.

    In native workflows it serves :class:`~ayo_bridge.workflow.requests.Rerank`.
    """

    kind = EngineKind.RERANKER
    serves = CrossEncoderModel
    served_by = RerankServers

    def to_request(self, call: Call) -> Call:
        """The pairs of a workflow's request."""
        request: Any = call.payload
        return self._asked(call, [[request.query, text] for text in request.candidates])

    def to_value(self, call: Call, result: Any) -> list[float]:
        """A score a candidate."""
        return [float(score) for score in result]


def _hello(declared: DeclaredModel, *, device: str, **known: Any) -> Header:
    load = {"device": device, **declared.load}
    asked = {"cls": declared.serves.cls, "source": declared.source, "load": load, **known}
    return {"host": HOSTED_BY, "settings": {"strict": False, **asked}}


def _device(placement: SharedProcess | RayActor, here: str) -> str:
    """Of a model there, unless the user says which."""
    return "cuda" if isinstance(placement, RayActor) and placement.num_gpus else here


class SharedModel(SharedEngine, Model):
    """One object of the application's, whose calls run in the shared process if that has the same.

    Its own :meth:`run` is the model here.
    """

    def __init__(self, name: str, declared: DeclaredModel, model: Any, **options: Any) -> None:
        super().__init__(name, **options)
        self.placement = declared.placement
        self._declared = declared
        self._strict = bool(options.get("strict"))
        self._object = weakref.ref(model)
        self._state: Hashable = None
        self._shared_limits = Limits(continuous=True)

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """Those of the model here; the shared process takes every call at once."""
        own = super().limits
        if not self.elsewhere:
            return own
        if self._shared_limits.instances != own.instances:
            self._shared_limits = Limits(instances=own.instances, continuous=True)
        return self._shared_limits

    def hello(self) -> Header:
        """How to load it there, and what it is to be compared with."""
        model = self._object()
        if model is None:
            raise ValueError("the model is gone")
        self._state = state_of(model)
        return _hello(
            self._declared,
            device=_device(self.placement, model.device.type),
            settings=settings_of(model),
            fingerprint=fingerprint(model),
            strict=self._strict,
        )

    def wired(self, call: Call) -> Header | None:
        """A call that the process answers as the model here would."""
        asked = call.payload
        if not isinstance(asked, ModelRequest):
            return None
        if state_of(asked.model) != self._state:
            self.refuse("the model here was changed since")
            return None
        return wired(type(self), asked)


class SharedEmbedding(SharedModel, EmbeddingModel):
    """A ``SentenceTransformer`` of the application's."""


class SharedCrossEncoder(SharedModel, CrossEncoderModel):
    """A ``CrossEncoder`` of the application's."""


_SHARED: Final[Mapping[type[Model], type[SharedModel]]] = {
    EmbeddingModel: SharedEmbedding,
    CrossEncoderModel: SharedCrossEncoder,
}


def shared_by(declared: object, engine: type[Model]) -> Callable[..., Model] | None:
    """What makes the engine of an object of the application's; ``None``: nothing was declared.

    ``declared``: what is registered under the name of its model.
    """
    if not isinstance(declared, DeclaredModel) or declared.serves is not engine:
        return None
    return lambda name, model, **options: _SHARED[engine](name, declared, model, **options)
