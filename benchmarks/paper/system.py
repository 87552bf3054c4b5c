"""The simulated engines of an experiment, and the app that runs on them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from ayo_bridge.graph import Op
from ayo_bridge.profile import EngineProfile, Profile, Profiles
from ayo_bridge.seam import Call, Limits
from ayo_bridge.simulate import (
    ApiRequest,
    Batching,
    LLMCosts,
    LogNormal,
    PublishedProfiles,
    Routing,
    SimulatedBatchEngine,
    SimulatedLLM,
    SimulatedSearchApi,
    Trace,
    VirtualPlacement,
    load_profiles,
)
from ayo_bridge.simulate.trace import no_trace
from ayo_bridge.workflow import App, Computed
from benchmarks.paper.parameters import EngineSettings, Parameters, Workload
from benchmarks.paper.payloads import Payloads
from benchmarks.paper.schemes import MESSAGE, Scheme
from examples.apps import APPS
from examples.apps.spec import ASSISTANT, EMBEDDING, LLM, RERANKER, STORE, WEB

BATCHED: Final = {EMBEDDING: "bge-large-en-v1.5@1x3090", RERANKER: "bge-reranker-large@1x3090"}


class WebSearch(SimulatedSearchApi):
    """Its latency follows from what is searched for, so that it is the same in every arm."""

    def seconds(self, call: Call) -> float:
        """How long a call takes."""
        request = call.payload
        return self.takes(request.result if isinstance(request, ApiRequest) else None)

    def takes(self, found: object) -> float:
        """How long it takes to find this."""
        return self.latency.sample(random.Random(f"{self._seed}:{found!r}"))


def web_search(settings: EngineSettings, trace: Trace = no_trace) -> WebSearch:
    """The search engine of the apps."""
    return WebSearch(WEB, LogNormal(settings.web_median, settings.web_sigma), trace=trace)


@cache
def published() -> PublishedProfiles:
    """The committed profiles."""
    return load_profiles()


@dataclass(frozen=True, slots=True)
class Models:
    """The LLMs in the roles of the apps, by their names in the parameter file."""

    core: str
    assistant: str

    def costs(self, given: Parameters) -> dict[str, LLMCosts]:
        """What one instance of each costs."""
        llms = published().llms
        named = {LLM: self.core, ASSISTANT: self.assistant}
        return {role: llms[given.models[model]] for role, model in named.items()}


def profiles(given: Parameters, models: Models) -> Profiles:
    """What the passes and policies are told of the engines."""
    known: dict[str, Profile] = {
        role: costs.profile() for role, costs in models.costs(given).items()
    }
    batches, settings = published().batches, given.engines
    for role, name in BATCHED.items():
        known[role] = EngineProfile(batches[name].kind, batches[name].curve, _batch(role, settings))
    insert = batches["pgvector.insert"]
    known[STORE] = EngineProfile(insert.kind, insert.curve, settings.store_batch)
    return Profiles(known)


def build(
    given: Parameters,
    workloads: Iterable[Workload],
    models: Models,
    scheme: Scheme,
    payloads: Payloads,
    trace: Trace = no_trace,
) -> App:
    """An app with fresh engines for the apps of ``workloads``."""
    settings = given.engines
    app = App(passes=scheme.passes, policies=scheme.policy, profiles=profiles(given, models))
    roles: dict[str, None] = {}
    for workload in workloads:
        spec = APPS[workload.app]
        roles.update(dict.fromkeys(spec.roles))
        for key, handler in spec.handlers(workload.sizes).items():
            app.handle(key, handler)
    app.handle((MESSAGE, Op.HOST), Computed(lambda: asyncio.sleep(given.message_seconds)))
    costs = models.costs(given)
    for role in roles:
        place = VirtualPlacement(settings.delay)
        if role in costs:
            llm = _llm(role, costs[role], settings, scheme.routing, trace)
            app.register(llm, placement=place, ask=payloads.generate)
        elif role == WEB:
            app.register(web_search(settings, trace), placement=place, ask=payloads.looked_up)
        else:
            engine = _batch_engine(role, settings, scheme.prefetch, trace)
            app.register(engine, placement=place, ask=payloads.batched)
    return app


def _llm(
    role: str, costs: LLMCosts, settings: EngineSettings, routing: Routing, trace: Trace
) -> SimulatedLLM:
    instances = settings.llm_instances
    admitted = int(settings.admitted_kv * instances * costs.kv_tokens)
    return SimulatedLLM(
        role,
        costs,
        instances=instances,
        batching=Batching(
            settings.step_tokens,
            settings.max_sequences,
            settings.chunked,
            settings.prefix_cache,
            settings.block,
        ),
        limits=Limits(instances=instances, max_items=admitted, continuous=True),
        routing=routing,
        trace=trace,
    )


def _batch(role: str, settings: EngineSettings) -> int:
    sizes = {
        EMBEDDING: settings.embedding_batch,
        RERANKER: settings.reranker_batch,
        STORE: settings.store_batch,
    }
    return sizes[role]


def _batch_engine(
    role: str, settings: EngineSettings, prefetch: int, trace: Trace
) -> SimulatedBatchEngine:
    batches = published().batches
    curves: EngineProfile | dict[str, EngineProfile]
    if role == STORE:
        curves = {"insert": batches["pgvector.insert"], "search": batches["pgvector.search"]}
    else:
        curves = batches[BATCHED[role]]
    limits = Limits(settings.other_instances, _batch(role, settings), prefetch=prefetch)
    return SimulatedBatchEngine(role, curves, limits=limits, trace=trace)
