"""The parameter file, read and typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from examples.apps import APPS, Sizes

HERE = Path(__file__).parent
FILE = HERE / "parameters.toml"
Move = tuple[str, str, str]
"""``(before, after, instead)``: ``after`` need not wait for ``before``; ``instead`` has to."""

_SIZES = frozenset(field.name for field in fields(Sizes))


@dataclass(frozen=True, slots=True)
class Runs:
    """How many queries, from which seeds, at which rates (requests/s)."""

    queries: int
    many_queries: int
    seeds: tuple[int, ...]
    scaled_seeds: tuple[int, ...]
    many_seeds: tuple[int, ...]
    many_rates: tuple[float, ...]
    many_datasets: tuple[str, ...]
    rates: tuple[float, ...]
    ablation_rates: tuple[float, ...]
    colocated_rate: float
    single_queries: int


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What all engines of all arms have in common. Seconds and items."""

    llm_instances: int
    other_instances: int
    chunked: bool
    step_tokens: int
    max_sequences: int
    block: int
    prefix_cache: bool
    admitted_kv: float
    embedding_batch: int
    reranker_batch: int
    store_batch: int
    delay: float
    prefetch: int
    web_median: float
    web_sigma: float


@dataclass(frozen=True, slots=True)
class Workload:
    """The queries of one app on one dataset."""

    app: str
    dataset: str
    sizes: Sizes
    searched: float = 1.0
    """Share of the queries that a judge sends to the web."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of Fig. 8: a workload on models (keys of ``Parameters.models``)."""

    workload: Workload
    core: str
    assistant: str

    @property
    def scaled(self) -> bool:
        """Whether a model of it is scaled from the profiled one."""
        return {self.core, self.assistant} != {"7B"}

    @property
    def name(self) -> str:
        """``app/dataset/core LLM``, in the words of the figure."""
        return f"{self.workload.app}/{self.workload.dataset}/{self.core}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """All of ``parameters.toml``."""

    runs: Runs
    engines: EngineSettings
    models: dict[str, str]
    workloads: dict[tuple[str, str], Workload]
    panels: tuple[Panel, ...]
    assistants: dict[str, str]
    agents: dict[str, tuple[tuple[str, ...], ...]]
    by_hand: tuple[Move, ...]
    by_agents: tuple[Move, ...]
    message_seconds: float
    trace: dict[str, Any]

    def workload(self, app: str, dataset: str) -> Workload:
        """The workload of an app on a dataset.

        Raises:
            KeyError: the file has none.
        """
        return self.workloads[app, dataset]

    def panel(self, app: str, dataset: str, core: str) -> Panel:
        """An app and a dataset on a core LLM, whether Fig. 8 has it or not."""
        return Panel(self.workloads[app, dataset], core, self.assistants[app])


@cache
def parameters(path: Path = FILE) -> Parameters:
    """Read the file.

    Raises:
        KeyError, TypeError: something is missing or is called otherwise.
    """
    return parse(tomllib.loads(path.read_text(encoding="utf-8")))


def parse(data: dict[str, Any]) -> Parameters:
    """The parameters that a file's contents give."""
    runs: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data["runs"].items()
    }
    workloads: dict[tuple[str, str], Workload] = {}
    panels: list[Panel] = []
    for app, given in data["apps"].items():
        for dataset, own in given["datasets"].items():
            chosen = {**data["sizes"], **given.get("sizes", {}), **own}
            searched = float(chosen.pop("searched", 1.0))
            cores = chosen.pop("cores", given["cores"])
            if unknown := set(chosen) - _SIZES:
                raise KeyError(f"{app}/{dataset} has unknown sizes: {sorted(unknown)}")
            sizes = replace(APPS[app].sizes, **chosen)
            workloads[app, dataset] = Workload(app, dataset, sizes, searched)
            panels += [Panel(workloads[app, dataset], core, given["assistant"]) for core in cores]
    schemes = data["schemes"]
    return Parameters(
        Runs(**runs),
        EngineSettings(**data["engines"]),
        data["models"],
        workloads,
        tuple(panels),
        {app: given["assistant"] for app, given in data["apps"].items()},
        {app: tuple(map(tuple, groups)) for app, groups in schemes["agents"].items()},
        tuple((a, b, c) for a, b, c in schemes["by_hand"]),
        tuple((a, b, c) for a, b, c in schemes["by_agents"]),
        schemes["message_seconds"],
        data["trace"],
    )
