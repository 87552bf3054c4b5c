"""What a request says of sampling: refused where vLLM refuses it (0.32.0), in its words."""

from __future__ import annotations

import math
from typing import Final

from ayo_bridge.serving.emulated.fields import Body, RefusedError, real, whole

_SEQUENCES: Final = 16384
"""The most answers to a prompt (``VLLM_MAX_N_SEQUENCES``)."""
_GREEDY: Final = 1e-5
"""Temperatures below it are zero."""


def answers_wanted(body: Body) -> int:
    """How many answers each prompt gets.

    Raises:
        RefusedError: a field is no number that can be sampled with.
    """
    count = whole(body, "n", 1)
    if count < 1:
        raise RefusedError(f"n must be at least 1, got {count}.")
    if count > _SEQUENCES:
        raise RefusedError(
            f"n must be at most {_SEQUENCES}, got {count}. To increase this limit, set the "
            "VLLM_MAX_N_SEQUENCES environment variable."
        )
    for name in ("presence_penalty", "frequency_penalty"):
        if not -2.0 <= (given := real(body, name, 0.0)) <= 2.0:
            raise RefusedError(f"{name} must be in [-2, 2], got {given}.")
    temperature = real(body, "temperature", 1.0)
    if not math.isfinite(temperature):
        raise _wrong("temperature", "must be a finite number", temperature)
    if temperature < 0.0:
        raise _wrong("temperature", "must be non-negative", temperature)
    if temperature > 2.0:
        raise _wrong("temperature", "must be in [0, 2]", temperature)
    if not 0.0 < (top_p := real(body, "top_p", 1.0)) <= 1.0:
        raise _wrong("top_p", "must be in (0, 1]", top_p)
    whole(body, "seed", 0)
    if temperature < _GREEDY and count > 1:
        raise RefusedError(f"n must be 1 when using greedy sampling, got {count}.")
    return count


def _wrong(name: str, rule: str, value: float) -> RefusedError:
    return RefusedError(
        f"{name} {rule}, got {value}. (parameter={name}, value={value})", param=name
    )
