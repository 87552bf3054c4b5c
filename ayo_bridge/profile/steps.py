"""What the steps of a served LLM cost, fitted to requests alone and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.profile.curve import Point

_ROUNDS: Final = 20_000
_STILL: Final = 1e-9
"""Relative: weights that move less are found."""


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds of a step, in the terms of :class:`~ayo_bridge.simulate.LLMCosts`.

    ``kv_tokens`` and ``block`` are the size of the KV cache and of its blocks in tokens, where the
    server tells them.
    """

    prefill_base: float
    prefill_per_token: float
    prefill_per_pair: float
    decode_base: float
    decode_per_sequence: float
    decode_per_context: float
    kv_tokens: int | None = None
    block: int | None = None


@dataclass(frozen=True, slots=True)
class DecodePoint:
    """Seconds a token of ``sequences`` that decode together, with ``context`` tokens each."""

    sequences: int
    context: float
    seconds: float


def fit_steps(
    prefill: Sequence[Point],
    decode: Sequence[DecodePoint],
    *,
    kv_tokens: int | None = None,
    block: int | None = None,
) -> StepCosts:
    """Fit costs by least squares of relative errors; none is negative.

    Args:
        prefill: prompt tokens and seconds of requests for one token, of an idle server.
        decode: as measured; of one sequence and of several, with short and long prompts.
        kv_tokens: as the server says.
        block: as the server says.

    Raises:
        ValueError: there are no points.
    """
    if not prefill or not decode:
        raise ValueError("costs of steps need points of prefilling and of decoding")
    base, per_token, per_pair = _fit(
        [(1.0, n, n * n / 2) for n, _ in prefill], [seconds for _, seconds in prefill]
    )
    decode_base, per_sequence, per_context = _fit(
        [(1.0, p.sequences - 1, p.sequences * p.context) for p in decode],
        [p.seconds for p in decode],
    )
    return StepCosts(
        base, per_token, per_pair, decode_base, per_sequence, per_context, kv_tokens, block
    )


def _fit(rows: Sequence[tuple[float, ...]], values: Sequence[float]) -> tuple[float, ...]:
    """Weights ``w >= 0`` with the least sum of ``(row . w / value - 1)**2``.

    Coordinate descent: the problem is convex, and each step is exact. Columns are scaled to one
    size first, since they differ by powers of ten.
    """
    width = len(rows[0])
    scale = [max(max(abs(row[k]) for row in rows), 1e-30) for k in range(width)]
    scaled = [
        [row[k] / scale[k] / max(value, 1e-12) for k in range(width)]
        for row, value in zip(rows, values, strict=True)
    ]
    weights = [0.0] * width
    left = [-1.0] * len(scaled)
    for _ in range(_ROUNDS):
        moved = 0.0
        for k in range(width):
            square = sum(row[k] * row[k] for row in scaled)
            if square == 0:
                continue
            slope = sum(row[k] * rest for row, rest in zip(scaled, left, strict=True))
            new = max(weights[k] - slope / square, 0.0)
            change, weights[k] = new - weights[k], new
            left = [rest + row[k] * change for row, rest in zip(scaled, left, strict=True)]
            moved = max(moved, abs(change) * square**0.5)
        if moved < _STILL:
            break
    return tuple(weight / size for weight, size in zip(weights, scale, strict=True))
