"""One long list of texts, embedded by several cores at once.

``encode`` goes through its batches one after the other. On a CPU of which torch takes fewer threads
for one call than there are cores, so many batches are computed side by side, each as a call of its
own: of texts of equal length, as ``encode`` itself would sort them. Every text has the vector that
it would have had, but for the last bits (:mod:`ayo_bridge.engines.exact_fusing`).
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from ayo_bridge.engines.exact_fusing import arguments_unfit, model_unfit
from ayo_bridge.engines.model_requests import ModelRequest, default
from ayo_bridge.engines.sentence_transformer import EmbeddingModel, side_by_side
from ayo_bridge.seam import Call, Scope, Unkeyed

LEAST: Final = 4
"""Fewer batches are left to one core."""
_DEFAULTS: Final = ("batch_size", "convert_to_numpy", "convert_to_tensor", "show_progress_bar")


def batch_of(scope: Scope, call: Call) -> int:
    """How many texts of a call to an embedding model make a batch; 0: it is left as it is."""
    asked = call.payload
    if scope.runtime.strict or not isinstance(asked, ModelRequest) or asked.single:
        return 0
    if asyncio._get_running_loop() is not None:
        return 0  # The loop would wait for others' work in front of ours, too.
    if len(asked.inputs) < LEAST or asked.model.device.type != "cpu" or side_by_side() < 2:
        return 0
    encode = EmbeddingModel.original()
    given = {**{name: default(encode, name) for name in _DEFAULTS}, **asked.arguments}
    if not given["convert_to_numpy"] or given["convert_to_tensor"]:
        return 0
    if arguments_unfit(given, progress_logger=encode.__module__) or model_unfit(asked.model):
        return 0
    batch: int = given["batch_size"]
    return batch if len(asked.inputs) > (LEAST - 1) * batch else 0


def embedded(scope: Scope, call: Call, batch: int) -> Any:
    """The vectors of a call, in the order of its texts.

    Raises:
        Exception: what ``encode`` raises for one of the batches.
    """
    asked = call.payload
    assert isinstance(asked, ModelRequest), "only such a call has batches"
    texts = asked.inputs
    order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    places = [order[start : start + batch] for start in range(0, len(order), batch)]
    encode = EmbeddingModel.original()
    with ThreadPoolExecutor(side_by_side(), "ayo-bridge batches") as threads:
        parts = [
            threads.submit(contextvars.copy_context().run, _part, scope, call, asked, encode, part)
            for part in places
        ]
        try:
            found = [part.result() for part in parts]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    scope.helps("texts were embedded side by side")
    return _together(places, found)


def _part(
    scope: Scope,
    call: Call,
    asked: ModelRequest,
    encode: Callable[..., Any],
    places: Sequence[int],
) -> Any:
    part = replace(asked, inputs=[asked.inputs[place] for place in places])
    made = replace(call, key=Unkeyed(call.engine), payload=part, items=len(places), group=None)
    observation = scope.direct(call.engine, EmbeddingModel.kind, items=len(places))
    try:
        result = scope.scheduled(made, observation.record, lambda: part.run(encode))
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done()
    return result


def _together(places: Sequence[Sequence[int]], found: Sequence[Any]) -> Any:
    numpy: Any = sys.modules["numpy"]
    first = found[0]
    whole = numpy.empty((sum(map(len, places)), *first.shape[1:]), first.dtype)
    for part, rows in zip(places, found, strict=True):
        whole[list(part)] = rows
    return whole
