"""A model of sentence-transformers in the process that several others share."""

from __future__ import annotations

import importlib
from typing import Any, Final

from ayo_bridge.engines.model_requests import ModelRequest
from ayo_bridge.engines.registered_models import register
from ayo_bridge.engines.sentence_transformer import CrossEncoderModel, EmbeddingModel
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.hosting import Hosted, NotServedError
from ayo_bridge.engines.shared.identity import apply_settings, fingerprint
from ayo_bridge.engines.shared.model_calls import as_sent, unwired
from ayo_bridge.seam import Call, EngineHome

TIMES_BEST: Final = 4
"""A batch of several processes' calls takes so many times b*: they go on together, so that larger
batches of a reranker make larger ones of the embedding model that is asked next."""
_SERVED = {engine.cls: engine for engine in (EmbeddingModel, CrossEncoderModel)}


def host(settings: Header, runtime: EngineHome) -> Hosted:
    """Load a model and compare it with the one of who asks.

    Args:
        settings: ``cls``, ``source``, ``load``, ``settings`` and the ``fingerprint`` to agree with;
            empty where who asks has no model.

    Raises:
        NotServedError: the model here is another one, or none can be loaded.
    """
    engine = _SERVED[settings["cls"]]
    source, load = settings["source"], settings["load"]
    library = importlib.import_module("sentence_transformers")
    try:
        model = getattr(library, engine.cls)(source, **load)
        apply_settings(model, settings["settings"])
        known = fingerprint(model) if settings["fingerprint"] else ""
    except Exception as error:  # Whatever a model's own code raises.
        raise NotServedError(f"{source} cannot be loaded there: {error!r}") from error
    if known != settings["fingerprint"]:
        raise NotServedError(f"{source}, loaded with {load}, is another model than the one here")
    return _HostedModel(register(engine, model, runtime, times_best=TIMES_BEST), engine, model)


class _HostedModel(Hosted):
    def __init__(self, name: str, engine: Any, model: Any) -> None:
        self.name = name
        self._engine, self._model = engine, model

    def call(self, header: Header) -> Call:
        return unwired(self._engine, self.name, self._model, header)

    def sent(self, call: Call) -> Header:
        asked = call.payload
        assert isinstance(asked, ModelRequest), "it is one of those made here"
        return as_sent(asked)
