"""In: an object of an application and questions. Out: whether it answers the same accelerated."""

from ayo_bridge.verify.comparing import Progress, verify
from ayo_bridge.verify.questions import read_questions
from ayo_bridge.verify.report import Compared, Outcome, Report, as_json, as_text
from ayo_bridge.verify.target import Target, VerifyError, load

__all__ = [
    "Compared",
    "Outcome",
    "Progress",
    "Report",
    "Target",
    "VerifyError",
    "as_json",
    "as_text",
    "load",
    "read_questions",
    "verify",
]
