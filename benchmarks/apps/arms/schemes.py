"""The baselines of the paper by name, as arms of ``ayo-bridge bench`` (paper, section 7.1).

LlamaDist runs an app's modules one after the other, each an actor of its own; LlamaDistPC those
side by side that need nothing of each other, with prefix caching on; AutoGen's agents hold several
modules each. Each has a twin without Ray, so that Ray's cost is not taken for a gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

from ayo_bridge.bench import Arm, Made
from ayo_bridge.verify.target import Loaded
from benchmarks.apps.arms.on_ray import OnRay
from benchmarks.apps.arms.places import InProcess, Place
from benchmarks.apps.arms.program import Program
from benchmarks.apps.arms.queues import PO, TO
from benchmarks.apps.arms.steps import Groups
from benchmarks.apps.modules import Chain
from benchmarks.apps.settings import Settings

_TWIN: Final = "-in-process"
MODULE_BY_MODULE: Final = "module-by-module"
"""The twin of LlamaDist with TO."""

AGENTS: Final[dict[str, Groups]] = {
    "search": (("proxy", "judge"), ("web",), ("answer",)),
    "naive": (("index",), ("embed", "search", "answer")),
    "advanced": (("index",), ("expand",), ("embed", "search", "rerank"), ("answer",)),
    "contextual": (("contextualise", "index"), ("embed", "search", "rerank"), ("answer",)),
}
"""Which modules an agent of AutoGen holds, by app, as in the simulation (``benchmarks.paper``)."""


@dataclass(frozen=True, slots=True)
class System:
    """How a baseline runs an app's modules."""

    name: str
    beside: bool
    """Whether what needs nothing of each other runs side by side."""
    cached: bool
    """Whether its LLM's server caches prefixes."""
    groups: Callable[[Chain], Groups] = lambda chain: ()


SYSTEMS: Final = (
    System("llamadist", beside=False, cached=False),
    System("llamadistpc", beside=True, cached=True),
    System("autogen", beside=True, cached=True, groups=lambda chain: AGENTS[chain.name]),
)
POLICIES: Final = {"po": PO, "to": TO}
BASELINES: Final = tuple(f"{system.name}-{policy}" for system in SYSTEMS for policy in POLICIES)
"""Those on Ray."""


def settings_of(system: System, settings: Settings) -> Settings:
    """What a baseline's engines are."""
    uncached = "" if system.cached else settings.uncached_url
    return replace(settings, base_url=uncached or settings.base_url)


def arm(
    app: str,
    settings: Settings,
    system: System,
    policy: str,
    place: Callable[[], Place],
    name: str,
) -> Arm:
    """An app in a baseline."""

    def make(loaded: Loaded, calls: int) -> Made:
        program = Program(
            app,
            settings_of(system, settings),
            place(),
            policy=POLICIES[policy],
            groups=system.groups,
            beside=system.beside,
        )

        def answer(*args: Any, **kwargs: Any) -> Any:
            return program(*args, **kwargs)

        return Made(answer, closing=program.close)

    return Arm(name, make)


def twin(name: str) -> str:
    """The name of a baseline's twin without Ray."""
    return MODULE_BY_MODULE if name == "llamadist-to" else name + _TWIN


def arms_of(app: str, settings: Settings) -> list[Arm]:
    """The further arms of the app in a Python module of this name: as an expert writes it, too."""
    program = import_module(app).tuned
    made = [Arm("tuned", lambda loaded, calls: Made(program(settings)))]
    for system in SYSTEMS:
        for policy in POLICIES:
            name = f"{system.name}-{policy}"
            made.append(arm(app, settings, system, policy, OnRay, name))
            made.append(arm(app, settings, system, policy, InProcess, twin(name)))
    return made


__all__ = ["AGENTS", "BASELINES", "SYSTEMS", "System", "arm", "arms_of", "settings_of", "twin"]
