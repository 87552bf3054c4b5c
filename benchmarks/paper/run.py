"""One run: queries that arrive at given times, in one arm, from the first to the last answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ayo_bridge.graph import Op
from ayo_bridge.simulate import Trace, run_virtual
from ayo_bridge.simulate.trace import no_trace
from ayo_bridge.workflow import Result, text_of
from benchmarks.paper.parameters import Parameters, Workload
from benchmarks.paper.payloads import Payloads, digest
from benchmarks.paper.schemes import scheme
from benchmarks.paper.system import Models, build
from examples.apps import APPS


@dataclass(frozen=True, slots=True)
class Arrival:
    """A query: when it comes (seconds), and what it is."""

    at: float
    workload: Workload


@dataclass(slots=True)
class Served:
    """How a query went. Seconds after its arrival."""

    app: str
    latency: float
    first_token: float
    decoded: int
    answer: int
    """A digest of the answer's text."""


@dataclass(slots=True)
class Run:
    """All queries of a run in order of arrival, and the seconds until the last had its answer."""

    scheme: str
    served: list[Served] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Mean latency."""
        return sum(one.latency for one in self.served) / len(self.served)


def poisson(workload: Workload, rate: float, queries: int, seed: int) -> list[Arrival]:
    """Arrivals at ``rate`` requests/s. Those of one seed differ between rates in scale only."""
    source = random.Random(f"arrivals of {workload.app} {seed}")
    at, arrivals = 0.0, []
    for _ in range(queries):
        at += source.expovariate(1.0) / rate
        arrivals.append(Arrival(at, workload))
    return arrivals


def inputs_of(number: int, workload: Workload) -> dict[str, object]:
    """What query ``number`` brings along."""
    inputs: dict[str, object] = {"question": f"q{number} question"}
    if "documents" in APPS[workload.app].inputs:
        inputs["documents"] = [f"q{number} chunk {i}" for i in range(workload.sizes.chunks)]
    return inputs


def simulate(
    given: Parameters,
    arrivals: Sequence[Arrival],
    models: Models,
    arm: str,
    *,
    trace: Trace = no_trace,
    keep: list[Result] | None = None,
) -> Run:
    """Serve the arrivals in virtual time. ``keep`` takes the results themselves, if given.

    Raises:
        AssertionError: a query has decoded other than its app's calls do.
    """
    return run_virtual(_serve(given, arrivals, models, arm, trace, keep))


async def _serve(
    given: Parameters,
    arrivals: Sequence[Arrival],
    models: Models,
    arm: str,
    trace: Trace,
    keep: list[Result] | None,
) -> Run:
    workloads = tuple(dict.fromkeys(arrival.workload for arrival in arrivals))
    payloads = Payloads(given.engines.delay, max(w.searched for w in workloads))
    chosen = scheme(arm, workloads[0].app, given)
    app = build(given, workloads, models, chosen, payloads, trace)
    loop = asyncio.get_running_loop()
    run = Run(arm)
    tasks: list[asyncio.Task[Served]] = []

    async def one(number: int, arrival: Arrival) -> Served:
        spec = APPS[arrival.workload.app]
        inputs = inputs_of(number, arrival.workload)
        result = await app.submit(inputs, spec.workflow(arrival.workload.sizes))
        account = payloads.accounts.pop(number)
        wanted = sum(
            p.tokens for p in result.p_graph if p.op is Op.DECODING and p.id not in result.skipped
        )
        if account.decoded != wanted:
            raise AssertionError(f"q{number} decoded {account.decoded} tokens, not {wanted}")
        if keep is not None:
            keep.append(result)
        run.seconds = max(run.seconds, loop.time())
        return Served(
            spec.name,
            result.seconds,
            account.first_token - result.submitted,
            account.decoded,
            digest(text_of(result.output)),
        )

    for number, arrival in enumerate(arrivals):
        if arrival.at > loop.time():
            await asyncio.sleep(arrival.at - loop.time())
        tasks.append(loop.create_task(one(number, arrival)))
    run.served = list(await asyncio.gather(*tasks))
    return run
