"""In: an installation. Out: what of it ayo-bridge can use, what not and why, and what to change."""

from ayo_bridge.doctor.checks import Area, Check, Level, Report
from ayo_bridge.doctor.examine import examine
from ayo_bridge.doctor.wording import as_json, as_text

__all__ = ["Area", "Check", "Level", "Report", "as_json", "as_text", "examine"]
