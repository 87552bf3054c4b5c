"""Which models and arguments give every text the same result in a batch as alone.

The same means: float32 rounding apart (about 1e-7 of a unit vector). Everything that is not known
to keep to that is refused, with the reason, and simply runs alone.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Mapping
from typing import Any, Final

# Code known to compute each row of a batch by itself.
_KNOWN_CODE: Final = ("sentence_transformers.", "transformers.models.", "transformers.activations")
# A convolution or recurrence sees the padding that other texts bring; a quantised layer may scale
# by the whole batch.
_SEES_PADDING: Final = ("Conv", "LSTM", "GRU", "RNN")
_ROW_BY_ROW: Final = ("Sigmoid", "Identity")


def model_unfit(model: Any) -> str | None:
    """Why requests to a model may not share a batch, or ``None`` if they may."""
    if getattr(model, "_compiled_call_impl", None) is not None:
        return "the model is compiled: its kernels depend on the batch's shape"
    try:
        if sys.modules["torch"].get_float32_matmul_precision() != "highest":
            return "torch may round float32 products to fewer bits"
        first = next(model.parameters())
    except (KeyError, RuntimeError, StopIteration) as error:
        return f"the model's arithmetic is unknown: {error!r}"
    state = (first.dtype, first.device)
    known = _examined.get(model)
    if known is None or known[0] != state:
        known = (state, _examine(model))
        _examined[model] = known
    return known[1]


_examined: weakref.WeakKeyDictionary[Any, tuple[object, str | None]] = weakref.WeakKeyDictionary()


def _examine(model: Any) -> str | None:
    if type(model).__name__ not in ("SentenceTransformer", "CrossEncoder"):
        return f"{type(model).__name__} is a class of its own"
    backend = getattr(model, "backend", "torch")
    if backend != "torch":
        return f"the {backend} backend is not known to compute each text by itself"
    if getattr(model, "_distributed_inference", None) is not None:
        return "inference is distributed"
    padding = getattr(getattr(model, "tokenizer", None), "padding_side", "right")
    if padding != "right":
        return "padding on the left moves a text's positions"
    for parameter in model.parameters():
        if str(parameter.dtype) != "torch.float32":
            return f"{parameter.dtype} parameters round too coarsely"
        if parameter.device.type not in ("cpu", "cuda"):
            return f"arithmetic on {parameter.device.type} was not tested"
    return next(filter(None, map(_module_unfit, model.modules())), None)


def _module_unfit(module: Any) -> str | None:
    cls = type(module)
    standard = cls.__module__.startswith("torch.nn.") and "quantized" not in cls.__module__
    if not standard and not cls.__module__.startswith(_KNOWN_CODE):
        return f"{cls.__module__}.{cls.__name__} is not known to compute each text by itself"
    if cls.__name__.startswith(_SEES_PADDING):
        return f"{cls.__name__} layers see the padding of a batch"
    if module._forward_hooks or module._forward_pre_hooks:
        return f"a {cls.__name__} layer has hooks"
    return None


def arguments_unfit(arguments: Mapping[str, Any], *, progress_logger: str) -> str | None:
    """Why a call of ``encode`` or ``predict`` may not share a batch, or ``None`` if it may.

    ``arguments`` are all its arguments but the texts, with defaults filled in.
    """
    for name in ("device", "pool", "chunk_size"):
        if arguments.get(name) is not None:
            return f"{name} is given"
    if arguments.get("output_value", "sentence_embedding") != "sentence_embedding":
        return "token embeddings come in no one array"
    if arguments.get("precision", "float32") != "float32":
        return "quantisation looks at the whole batch"
    if not arguments["convert_to_numpy"] and not arguments["convert_to_tensor"]:
        return "a list of tensors was asked for"
    if arguments.get("activation_fn") is not None:
        return "an activation function is given, which some versions keep for later calls"
    if arguments.get("prompt") is not None and arguments.get("prompt_name") is not None:
        return "prompt and prompt_name together make each call warn"
    if not isinstance(arguments["batch_size"], int) or arguments["batch_size"] < 1:
        return "batch_size is not a positive number"
    shown = arguments["show_progress_bar"]
    if shown is None:
        level = logging.getLogger(progress_logger).getEffectiveLevel()
        shown = level in (logging.INFO, logging.DEBUG)
    if shown:
        return "the call shows a progress bar"
    unknown = sorted(set(arguments) - _UNDERSTOOD)
    return f"{', '.join(unknown)} may depend on the batch" if unknown else None


_UNDERSTOOD: Final = frozenset(
    {
        "prompt_name",
        "prompt",
        "batch_size",
        "show_progress_bar",
        "output_value",
        "precision",
        "convert_to_numpy",
        "convert_to_tensor",
        "device",
        "normalize_embeddings",
        "truncate_dim",
        "pool",
        "chunk_size",
        "activation_fn",
        "apply_softmax",
    }
)


def activation_unfit(activation: Any) -> str | None:
    """Why an activation function may mix the rows of a batch, or ``None`` if it does not."""
    if activation is None:
        return None
    cls = type(activation)
    if cls.__module__.startswith("torch.nn.") and cls.__name__ in _ROW_BY_ROW:
        return None
    return f"the activation function {cls.__name__} may mix the rows of a batch"
