"""What vLLM says of itself at ``/metrics``, in Prometheus' text format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SAMPLE: Final = re.compile(r"^vllm:(\w+)(?:\{(.*)\})?\s+(\S+)", re.MULTILINE)
_CACHING: Final = re.compile(r'enable_prefix_caching="(\w+)"')


@dataclass(frozen=True, slots=True)
class VLLMState:
    """A vLLM server at this moment; ``None`` is what it does not tell.

    ``hit_rate`` is the share of prompt tokens found in the prefix cache so far, ``cache_used`` of
    the KV cache that is in use, both from 0 to 1.
    """

    prefix_caching: bool | None
    running: int | None
    waiting: int | None
    hit_rate: float | None
    cache_used: float | None


def read_metrics(text: str) -> VLLMState | None:
    """The state in a text of ``/metrics``; ``None`` where that is not of vLLM.

    Engines of one server (data parallel) are added up; of their caches the fullest counts.
    """
    values: dict[str, list[float]] = {}
    caching: bool | None = None
    for name, labels, value in _SAMPLE.findall(text):
        if name == "cache_config_info" and (said := _CACHING.search(labels)):
            caching = said[1] == "True"
        try:
            values.setdefault(name, []).append(float(value))
        except ValueError:
            continue  # Not a number: no sample.
    if not values:
        return None
    queries = _sum(values, "prefix_cache_queries_total")
    hits = _sum(values, "prefix_cache_hits_total")
    return VLLMState(
        caching,
        _whole(_sum(values, "num_requests_running")),
        _whole(_sum(values, "num_requests_waiting")),
        hits / queries if hits is not None and queries else None,
        max(values.get("kv_cache_usage_perc", ()), default=None),
    )


def _sum(values: dict[str, list[float]], name: str) -> float | None:
    found = values.get(name)
    return None if found is None else sum(found)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
