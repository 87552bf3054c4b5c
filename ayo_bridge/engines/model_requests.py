"""Requests to a model of sentence-transformers: identity, what may share a batch, and results.

The identity of a request is the engine, the texts or pairs, and all arguments with defaults filled
in by the library's own signature, however the caller passed them.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ayo_bridge.engines.exact_fusing import activation_unfit, arguments_unfit, model_unfit
from ayo_bridge.seam import Call

IsItem = Callable[[Any], bool]

_SHORT: Final = 255
_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of ``encode`` or ``predict``: texts or pairs, and the arguments that were given.

    ``single`` stands for a lone text or pair, whose result has one dimension less. With ``stage``
    it runs so many inputs at a time, and ``told`` gets the result of each part but the last.
    """

    model: Any
    inputs: Sequence[Any]
    single: bool
    arguments: Mapping[str, Any]
    stage: int = 0
    told: Callable[[Any], None] | None = None

    def run(self, function: Callable[..., Any]) -> object:
        """Make the call as it was asked for."""
        if self.told is not None and 0 < self.stage < len(self.inputs):
            return self._in_stages(function, self.told)
        inputs = self.inputs[0] if self.single else self.inputs
        return function(self.model, inputs, **self.arguments)

    def _in_stages(self, function: Callable[..., Any], told: Callable[[Any], None]) -> object:
        parts: list[Any] = []
        for start in range(0, len(self.inputs), self.stage):
            end = start + self.stage
            parts.append(function(self.model, self.inputs[start:end], **self.arguments))
            if end < len(self.inputs):
                try:
                    told(parts[-1])
                except Exception:  # Work ahead never costs the original its result.
                    _logger.exception("following a result failed")
        return _together(parts)


def _together(parts: Sequence[Any]) -> Any:
    """The results of the parts of a call as the whole call would give them."""
    first = parts[0]
    if hasattr(first, "is_inference"):
        torch = sys.modules["torch"]
        with torch.inference_mode(first.is_inference()):
            return torch.cat(tuple(parts))
    return sys.modules["numpy"].concatenate(parts)


def make_call(
    engine: str,
    function: Callable[..., Any],
    model: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    is_item: IsItem,
) -> Call:
    """The request that ``function(model, *args, **kwargs)`` makes.

    ``is_item`` tells a lone text (or pair) from a batch of them.

    Raises:
        ValueError: such a call is left to the original; the message says why.
    """
    given, full = _arguments(function, model, args, kwargs)
    inputs, single = _inputs(given.pop(next(iter(given))), is_item)
    full.pop(next(iter(full)))
    for used in ("pool", "device"):
        if full.get(used) is not None:
            raise ValueError(f"a call with a {used} is left to the original")
    # Some versions of CrossEncoder keep the activation function of one call for the next.
    activation = getattr(model, "activation_fn", None)
    canonical = (*sorted(full.items()), ("activation of the model", activation))
    key: Hashable = (engine, tuple(map(_frozen, inputs)), single, canonical)
    try:
        hash(key)
    except TypeError as error:
        raise ValueError(f"the arguments have no identity: {error}") from error
    longest = _length_class(inputs)
    unfit = (
        not inputs
        or (longest > _SHORT.bit_length() and not _gains_from_long_batches(model))
        or arguments_unfit(full, progress_logger=function.__module__)
        or activation_unfit(activation)
        or model_unfit(model)
    )
    return Call(
        engine,
        key,
        ModelRequest(model, inputs, single, given),
        items=max(1, len(inputs)),
        group=None if unfit else (canonical, longest),
        deterministic=True,
    )


def _length_class(inputs: Sequence[Any]) -> int:
    """Requests whose longest inputs differ much share no batch: all would be padded to the longest.

    One long text and fifteen questions in one batch take MiniLM ten times as long as one after the
    other. Up to 256 characters all count as equal; from there each doubling is a class of its own.
    """
    longest = max((len(i) if isinstance(i, str) else sum(map(len, i)) for i in inputs), default=0)
    return max(_SHORT, longest - 1).bit_length()


def _gains_from_long_batches(model: Any) -> bool:
    """Whether requests with long inputs gain from sharing a batch: on a CPU arithmetic fills it.

    There a batch takes nearly as long as its inputs one by one (``ayo-bridge profile`` shows the
    curve of a model for long texts), and requests that share it all wait for the last of
    them, then leave the engine idle together.
    """
    return bool(model.device.type != "cpu")


def with_defaults(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call but the model and its inputs, of which some are given."""
    parameters = list(_signature(function).parameters.values())[2:]
    known = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**known, **given}


def default(function: Callable[..., Any], name: str) -> Any:
    """What a function takes for an argument that is not given."""
    return _signature(function).parameters[name].default


def apart(result: Any, requests: Sequence[ModelRequest]) -> Iterator[Any]:
    """Take a fused result apart; no part shares memory with another."""
    start = 0
    for request in requests:
        end = start + len(request.inputs)
        yield own(result[start] if request.single else result[start:end])
        start = end


def own(value: Any) -> Any:
    """A copy of a result that shares no memory with it."""
    if isinstance(value, list):
        return [own(item) for item in value]
    if isinstance(value, dict):
        return {key: own(item) for key, item in value.items()}
    if hasattr(value, "is_inference"):  # A tensor; its flag belongs to what the caller gets.
        with sys.modules["torch"].inference_mode(value.is_inference()):
            return value.clone()
    return value.copy() if hasattr(value, "copy") else value


def _frozen(item: Any) -> Hashable:
    return item if isinstance(item, str) else tuple(item)


def _inputs(inputs: Any, is_item: IsItem) -> tuple[list[Any], bool]:
    """Texts or pairs as a list, and whether there was a lone one."""
    if is_item(inputs):
        return [inputs], True
    if type(inputs) in (list, tuple) and all(map(is_item, inputs)):
        return list(inputs), False
    raise ValueError("other inputs than text are left to the original")


def _arguments(
    function: Callable[..., Any], model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments by name, first as given, then with defaults; inputs come first in both."""
    signature = _signature(function)
    try:
        bound = signature.bind(model, *args, **kwargs)
    except TypeError as error:
        raise ValueError(str(error)) from error
    if len(bound.arguments) < 2:
        raise ValueError("the inputs were given under an old name")
    rest = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")
    given = _flat(bound.arguments, rest)
    bound.apply_defaults()
    return given, _flat(bound.arguments, rest)


def _flat(arguments: Mapping[str, Any], rest: str) -> dict[str, Any]:
    named = {name: value for name, value in arguments.items() if name != rest}
    del named[next(iter(named))]  # The model.
    return {**named, **arguments.get(rest, {})}


@lru_cache(maxsize=16)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
