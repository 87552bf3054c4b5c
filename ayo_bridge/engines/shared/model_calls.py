"""Calls of sentence-transformers models as they are sent, and as they are made again there."""

from __future__ import annotations

from typing import Any

from ayo_bridge.engines.exact_fusing import activation_unfit, arguments_unfit, model_unfit
from ayo_bridge.engines.model_requests import ModelRequest, make_call, with_defaults
from ayo_bridge.engines.sentence_transformer import Model
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.seam import Call

_PLAIN = (str, int, float, bool, type(None))


def wired(engine: type[Model], asked: ModelRequest) -> Header | None:
    """A call as it is sent; ``None`` where the process might answer otherwise than the model here.

    That is any call whose arguments are not known well enough to share a batch, and whatever gives
    something else than an array of NumPy's.
    """
    original = engine.original()
    full = with_defaults(original, asked.arguments)
    if asked.told is not None or not all(isinstance(each, _PLAIN) for each in full.values()):
        return None
    if full["convert_to_tensor"] or not full["convert_to_numpy"]:
        return None
    if arguments_unfit(full, progress_logger=original.__module__):
        return None
    if asked.model is not None:
        activation = getattr(asked.model, "activation_fn", None)
        if activation_unfit(activation) or model_unfit(asked.model):
            return None
    return as_sent(asked)


def as_sent(asked: ModelRequest) -> Header:
    """What a model is asked, in JSON."""
    return {
        "inputs": list(asked.inputs),
        "single": asked.single,
        "arguments": dict(asked.arguments),
    }


def unwired(engine: type[Model], name: str, model: Any, header: Header) -> Call:
    """The call of a model here that another process has sent.

    Raises:
        ValueError: it is none, or one that is left to the original.
    """
    inputs, single = header.get("inputs"), bool(header.get("single"))
    arguments = header.get("arguments")
    if not isinstance(inputs, list) or not isinstance(arguments, dict):
        raise ValueError("a call has inputs and arguments")
    if single and len(inputs) != 1:
        raise ValueError("a lone input is one")
    given = inputs[0] if single else inputs
    return make_call(name, engine.original(), model, (given,), arguments, engine.is_item)
