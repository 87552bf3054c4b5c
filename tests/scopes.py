"""Scopes without an accelerated object around them."""

from ayo_bridge.graph import Graph, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime


def open_scope(runtime: Runtime, plan: Plan | None = None) -> Scope:
    """A scope of its own; by default nothing is planned in it."""
    plan = plan or Plan(Template(()), Graph([]), Graph([]))
    return Scope(runtime, plan, CallRecord("query", 0.0, plan.template, plan.p_graph, plan.e_graph))
