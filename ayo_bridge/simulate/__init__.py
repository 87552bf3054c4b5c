"""In: the schedulers and profiled engines. Out: the same decisions, in virtual time."""

from ayo_bridge.simulate.clock import PacedClockLoop, VirtualClockLoop, run_virtual
from ayo_bridge.simulate.connection import VirtualPlacement, virtual_scheduler
from ayo_bridge.simulate.costs import LLMCosts
from ayo_bridge.simulate.iterations import Batching
from ayo_bridge.simulate.llm import (
    KVCapacityError,
    Routing,
    SimulatedLLM,
    fewest_tokens,
    least_delay,
)
from ayo_bridge.simulate.published import PublishedProfiles, load_profiles
from ayo_bridge.simulate.requests import ApiRequest, BatchRequest, LLMRequest, Prompt, Segment
from ayo_bridge.simulate.serving import SimulatedEngine
from ayo_bridge.simulate.timed import LogNormal, SimulatedBatchEngine, SimulatedSearchApi
from ayo_bridge.simulate.trace import Busy, Trace

__all__ = [
    "ApiRequest",
    "BatchRequest",
    "Batching",
    "Busy",
    "KVCapacityError",
    "LLMCosts",
    "LLMRequest",
    "LogNormal",
    "PacedClockLoop",
    "Prompt",
    "PublishedProfiles",
    "Routing",
    "Segment",
    "SimulatedBatchEngine",
    "SimulatedEngine",
    "SimulatedLLM",
    "SimulatedSearchApi",
    "Trace",
    "VirtualClockLoop",
    "VirtualPlacement",
    "fewest_tokens",
    "least_delay",
    "load_profiles",
    "run_virtual",
    "virtual_scheduler",
]
