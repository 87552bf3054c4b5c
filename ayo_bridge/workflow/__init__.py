"""In: a workflow of one's own, engines, and a query's inputs. Out: its values, by name.

No framework is involved: components composed with ``>>`` and ``|``, or primitives wired by hand,
run on the two-tier scheduler, on a real or a virtual clock.
"""

from ayo_bridge.graph import Choice, Flow, choose, flow
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import MISSING, items_of
from ayo_bridge.workflow.app import App, HandlerKey
from ayo_bridge.workflow.generation import LanguageModel, lines
from ayo_bridge.workflow.requests import (
    Embed,
    Generate,
    Ingest,
    Lookup,
    Rerank,
    Scored,
    Search,
    Segment,
    text_of,
)
from ayo_bridge.workflow.result import Result, Timing
from ayo_bridge.workflow.shape import Shape
from ayo_bridge.workflow.work import Computed, Function, Handler, SubGraph, Work, Workflow

__all__ = [
    "MISSING",
    "App",
    "Choice",
    "Computed",
    "Embed",
    "Embedded",
    "Flow",
    "Function",
    "Generate",
    "Handler",
    "HandlerKey",
    "Ingest",
    "LanguageModel",
    "Lookup",
    "Rerank",
    "Result",
    "Scored",
    "Search",
    "Segment",
    "Shape",
    "SubGraph",
    "Timing",
    "Work",
    "Workflow",
    "choose",
    "flow",
    "items_of",
    "lines",
    "text_of",
]
