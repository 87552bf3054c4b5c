"""In: measured points, or live traffic. Out: what a primitive costs, and b* of an engine.

What was never measured stays unknown (``None``): a caller then has no gain to show.
"""

from ayo_bridge.profile.background import measure_when_idle
from ayo_bridge.profile.curve import Curve, max_efficient_batch
from ayo_bridge.profile.live import LiveProfile, LiveProfiles
from ayo_bridge.profile.measure import measure_batches
from ayo_bridge.profile.profiles import EngineProfile, LLMProfile, Profile, Profiles
from ayo_bridge.profile.steps import DecodePoint, StepCosts, fit_steps
from ayo_bridge.profile.store import CorruptProfileWarning, ProfileStore

__all__ = [
    "CorruptProfileWarning",
    "Curve",
    "DecodePoint",
    "EngineProfile",
    "LLMProfile",
    "LiveProfile",
    "LiveProfiles",
    "Profile",
    "ProfileStore",
    "Profiles",
    "StepCosts",
    "fit_steps",
    "max_efficient_batch",
    "measure_batches",
    "measure_when_idle",
]
