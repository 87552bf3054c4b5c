"""In: a profile. Out: an OpenAI-compatible server that takes as long as the LLM would.

The simulator's LLM (continuous batching, prefix cache, KV capacity, priorities) on a clock that
keeps pace with the real one. Everything made with it is emulated, and labelled so.
"""

from ayo_bridge.serving.emulated.server import EmulatedServer
from ayo_bridge.serving.emulated.settings import Rule, Settings

__all__ = ["EmulatedServer", "Rule", "Settings"]
