"""Make LLM applications fast end to end without rewriting them."""

from ayo_bridge.api import accelerate, explain, stats, timeline
from ayo_bridge.runtime import Runtime, default_runtime

__all__ = ["Runtime", "accelerate", "default_runtime", "explain", "stats", "timeline"]
__version__ = "0.1.0"
