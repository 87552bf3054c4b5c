"""``/metrics`` in Prometheus' text format, in vLLM's names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from ayo_bridge.serving.emulated.counters import BOUNDS, Histogram
from ayo_bridge.serving.emulated.engine import EmulatedEngine

Sample = tuple[str, Mapping[str, str], float]


def metrics(engine: EmulatedEngine, late: float) -> str:
    """The text. ``late`` is how many seconds the emulation is behind the clock at the moment."""
    settings, counters, instance = engine.settings, engine.counters, engine.instance
    gauges = {
        "num_requests_running": instance.sequences,
        "num_requests_waiting": instance.waiting,
        "kv_cache_usage_perc": instance.kv.held / instance.kv.blocks,
    }
    counts = {
        "prefix_cache_queries": instance.prompt_tokens,
        "prefix_cache_hits": instance.cached_tokens,
        "prompt_tokens": counters.prompt_tokens,
        "generation_tokens": counters.generation_tokens,
    }
    cache = {
        "block_size": str(settings.block_size),
        "enable_prefix_caching": str(settings.enable_prefix_caching),
        "num_gpu_blocks": str(instance.kv.blocks),
        "kv_cache_size_tokens": str(settings.kv_tokens),
    }
    steps: list[Sample] = [("_count", {}, counters.steps), ("_sum", {}, counters.step_tokens)]
    ended = [("_total", {"finished_reason": why}, n) for why, n in counters.finished.items()]
    label = {"profile": settings.name, "speed": f"{settings.speed:g}"}
    families: Iterable[tuple[str, str, Iterable[Sample]]] = [
        *((f"vllm:{name}", "gauge", [("", {}, value)]) for name, value in gauges.items()),
        *((f"vllm:{name}", "counter", [("_total", {}, value)]) for name, value in counts.items()),
        ("vllm:request_success", "counter", ended),
        ("vllm:iteration_tokens_total", "histogram", steps),
        ("vllm:time_to_first_token_seconds", "histogram", _histogram(counters.first_token)),
        ("vllm:e2e_request_latency_seconds", "histogram", _histogram(counters.end_to_end)),
        ("vllm:cache_config_info", "gauge", [("", cache, 1)]),
        ("ayo_emulated_info", "gauge", [("", label, 1)]),
        ("ayo_emulated_busy_seconds", "counter", [("_total", {}, counters.busy)]),
        ("ayo_emulated_late_seconds", "gauge", [("", {}, late)]),
    ]
    return "\n".join(_lines(families, {"engine": "0", "model_name": settings.served_model}))


def _lines(
    families: Iterable[tuple[str, str, Iterable[Sample]]], common: Mapping[str, str]
) -> Iterator[str]:
    for name, kind, samples in families:
        yield f"# TYPE {name}{'_total' if kind == 'counter' else ''} {kind}"
        for suffix, own, value in samples:
            labels = ",".join(f'{k}="{_escaped(v)}"' for k, v in sorted({**common, **own}.items()))
            yield f"{name}{suffix}{{{labels}}} {float(value)!r}"
    yield ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(histogram: Histogram) -> Iterator[Sample]:
    bounds = (*map(repr, BOUNDS), "+Inf")
    for bound, count in zip(bounds, itertools.accumulate(histogram.counts), strict=True):
        yield "_bucket", {"le": bound}, count
    yield "_count", {}, sum(histogram.counts)
    yield "_sum", {}, histogram.total
