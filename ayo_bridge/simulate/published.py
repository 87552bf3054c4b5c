"""The published costs of the paper's engines, and larger models scaled from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from ayo_bridge.profile import Curve, EngineProfile
from ayo_bridge.simulate.costs import LLMCosts

BLOCK: Final = 16
"""Tokens of a KV block, in vLLM and here."""

_BYTES: Final = 2.0
_MEMORY_USED: Final = 0.9
_FIT: Final = re.compile(r"([\d.e-]+) \+ ([\d.e-]+)\*n \+ ([\d.e-]+)\*n\*\(ctx \+ n/2\)")


@dataclass(frozen=True, slots=True)
class PublishedProfiles:
    """Costs by name, as in the file: LLMs, and engines that run batches to completion.

    ``batches`` has ``pgvector.insert`` and ``pgvector.search`` by rows and by query vectors.
    ``sources`` says of each entry where its figures come from.
    """

    llms: Mapping[str, LLMCosts]
    batches: Mapping[str, EngineProfile]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Model:
    """A model on its devices, as far as costs depend on it. Values are sums over the devices."""

    parameters: float
    layers: int
    hidden: int
    kv_width: int
    devices: int
    flops: float
    bandwidth: float
    memory: float

    @property
    def kv_bytes(self) -> float:
        return 2 * _BYTES * self.layers * self.kv_width

    @property
    def reading(self) -> float:
        return _BYTES * self.parameters / self.bandwidth

    @property
    def computing(self) -> float:
        return self.parameters / self.flops

    @property
    def attention(self) -> float:
        return self.layers * self.hidden / self.flops

    @property
    def free_memory(self) -> float:
        return _MEMORY_USED * self.memory - _BYTES * self.parameters


def load_profiles(path: str | os.PathLike[str] | None = None) -> PublishedProfiles:
    """Read published costs; without ``path`` those that come with ayo-bridge.

    Models that nobody published are scaled from the 7B one by the rule in ``scaled_models.json``,
    and say so in :attr:`LLMCosts.scaled`.

    Raises:
        OSError: the file cannot be read.
        KeyError, ValueError: it lacks an entry, or its prefill formula has another form.
    """
    data = _read(path, "ayo_profiles.json")
    scaling = _read(None, "scaled_models.json")
    llms = _llms(data, scaling)
    bge = data["bge-large-en-v1.5@1x3090"]
    reranker = data["bge-reranker-large@1x3090"]
    store = data["pgvector"]
    insert = [(128, store["insert_128_rows"]), (666, store["insert_666_rows"])]
    batches = {
        "bge-large-en-v1.5@1x3090": _measured("embedding", bge["embed"].items()),
        "bge-reranker-large@1x3090": _measured("reranker", reranker["rerank_pairs"].items()),
        "pgvector.insert": _measured("vector_store", insert),
        "pgvector.search": _measured("vector_store", _by_vector(store["search_top20_per_vector"])),
    }
    sources = {name: costs.source for name, costs in llms.items()}
    sources |= {
        name: data[name.split(".insert")[0].split(".search")[0]]["source"] for name in batches
    }
    return PublishedProfiles(llms, batches, sources)


def _read(path: str | os.PathLike[str] | None, name: str) -> dict[str, Any]:
    file = files("ayo_bridge.simulate") / "data" / name if path is None else Path(path)
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def _by_vector(milliseconds: float) -> list[tuple[int, float]]:
    """A time per vector, published as such: vectors together share nothing."""
    return [(1, milliseconds), (2, 2 * milliseconds)]


def _measured(kind: str, points: Any) -> EngineProfile:
    return EngineProfile.measured(kind, Curve.of((int(n), ms / 1e3) for n, ms in points))


def _llms(data: Mapping[str, Any], scaling: Mapping[str, Any]) -> dict[str, LLMCosts]:
    name = scaling["base"]["model"]
    given = data[name]
    fit = _FIT.fullmatch(given["prefill_fit"]["formula"])
    if fit is None:
        raise ValueError(f"the prefill formula of {name} has an unknown form")
    base, per_token, per_pair = (float(term) / 1e3 for term in fit.groups())
    model = _model(scaling["base"], scaling)
    context = scaling["decode_context_tokens"]
    published = LLMCosts(
        base,
        per_token,
        per_pair,
        given["decode_ms_per_token_batch_1"] / 1e3,
        context * model.kv_bytes / model.bandwidth,
        given["kv_tokens"],
        given["source"],
    )
    llms = {name: published}
    for other, description in scaling["models"].items():
        scaled = _model(description, scaling)
        llms[other] = _scale(published, model, scaled, context, scaling["rule"])
    toy = data["fig7"]
    one, two, half = toy["prefill_512"], toy["prefill_2x512"], toy["token_budget"] // 2
    llms["fig7"] = LLMCosts(
        (2 * one - two) / 1e3, (two - one) / half / 1e3, 0.0, 0.02, 0.0, 1 << 20, toy["source"]
    )
    return llms


def _model(description: Mapping[str, Any], scaling: Mapping[str, Any]) -> _Model:
    device, count = scaling["devices"][description["device"]], description["devices"]
    useful = count * (scaling["tensor_parallel_efficiency"] if count > 1 else 1.0)
    return _Model(
        description["parameters"],
        description["layers"],
        description["hidden"],
        description["kv_width"],
        count,
        useful * device["tflops"] * 1e12,
        useful * device["bandwidth_gb_s"] * 1e9,
        count * device["memory_gib"] * 2**30,
    )


def _scale(known: LLMCosts, base: _Model, model: _Model, context: int, rule: str) -> LLMCosts:
    reserve = base.free_memory - known.kv_tokens * base.kv_bytes
    kv_bytes = model.free_memory - model.devices * reserve
    reading = model.reading / base.reading
    return LLMCosts(
        known.prefill_base * reading,
        known.prefill_per_token * model.computing / base.computing,
        known.prefill_per_pair * model.attention / base.attention,
        known.decode_base * reading,
        context * model.kv_bytes / model.bandwidth,
        int(kv_bytes / model.kv_bytes) // BLOCK * BLOCK,
        known.source,
        rule,
    )
