"""The real trace: RAGPulse's arrivals and lengths, on the advanced app."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.paper.jobs import Outcome, in_background, outcome, statistics
from benchmarks.paper.parameters import HERE, Parameters, Workload, parameters
from benchmarks.paper.run import Arrival, simulate
from benchmarks.paper.schemes import SCHEMES
from benchmarks.paper.system import Models
from examples.apps import APPS

Json = dict[str, Any]
REFERENCE = "LlamaDist+TO"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the trace: when (s), and the tokens of its parts."""

    at: float
    instruction: int
    question: int
    contexts: int
    output: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The trace in an arm, its gaps multiplied by ``scale``; at 0 all come at once."""

    arm: str
    scale: float


def requests(count: int) -> list[Request]:
    """The first ``count`` requests.

    The shared part of a system prompt is the instruction. What else a request brings along (the
    rest of the system prompt, the conversation, the question) is known when it arrives.
    """
    found: list[Request] = []
    with (HERE / "data" / "ragpulse.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            size = {name: int(value) for name, value in row.items()}
            found.append(
                Request(
                    size["arrival_s"],
                    size["system_shared"],
                    size["system_own"] + size["history"] + size["user"],
                    size["passage_tokens"] + size["web_tokens"],
                    size["output"],
                )
            )
            if len(found) == count:
                break
    return found


def workload(given: Parameters, request: Request) -> Workload:
    """The advanced app with the lengths of a request; its contexts are shared out evenly."""
    sizes = APPS["advanced"].sizes
    own = replace(
        sizes,
        chunks=given.trace["chunks"],
        instruction_tokens=request.instruction,
        question_tokens=request.question,
        chunk_tokens=max(request.contexts // sizes.top_n, 1),
        answer_tokens=request.output,
    )
    return Workload("advanced", "RAGPulse", own)


def arrivals(given: Parameters, scale: float) -> list[Arrival]:
    """The trace, starting at 0 s."""
    asked = requests(given.trace["queries"])
    start = asked[0].at
    return [Arrival((each.at - start) * scale, workload(given, each)) for each in asked]


def replay(job: Replay) -> tuple[Replay, Outcome]:
    """Run it."""
    given = parameters()
    models = Models(given.trace["core"], given.assistants["advanced"])
    return job, outcome(simulate(given, arrivals(given, job.scale), models, job.arm))


def trace() -> Json:
    """Every arm at every utilisation of the reference.

    Utilisation 1 is the rate at which the reference ends all requests if they come at once.
    """
    given = parameters()
    count = given.trace["queries"]
    _, full = next(in_background(replay, [Replay(REFERENCE, 0.0)], "trace, capacity"))
    capacity = count / full.seconds
    length = arrivals(given, 1.0)[-1].at
    scales = {u: count / (u * capacity) / length for u in given.trace["utilisations"]}
    jobs = [Replay(arm, scale) for scale in scales.values() for arm in SCHEMES]
    found = dict(in_background(replay, jobs, "trace"))
    for scale in scales.values():
        if len({found[Replay(arm, scale)].answers for arm in SCHEMES}) != 1:
            raise AssertionError("arms have answered the trace differently")
    return {
        "queries": count,
        "capacity": round(capacity, 4),
        "points": [
            {
                "utilisation": utilisation,
                "rate": round(utilisation * capacity, 4),
                "arms": {arm: statistics([found[Replay(arm, scale)]]) for arm in SCHEMES},
            }
            for utilisation, scale in scales.items()
        ],
    }
