"""In: a workflow as a module template. Out: its primitive graph (p-graph), verified."""

from ayo_bridge.graph.decompose import decompose, expand_synthesis
from ayo_bridge.graph.graph import Edge, Graph
from ayo_bridge.graph.picture import mermaid, picture, to_json
from ayo_bridge.graph.primitive import Effect, Op, Primitive, PromptPart
from ayo_bridge.graph.template import (
    Choice,
    Component,
    Composable,
    Condition,
    Contextualising,
    Flow,
    Indexing,
    LearnedCalls,
    Opaque,
    QueryExpansion,
    Reranking,
    SearchApi,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    choose,
    flow,
)

__all__ = [
    "Choice",
    "Component",
    "Composable",
    "Condition",
    "Contextualising",
    "Edge",
    "Effect",
    "Flow",
    "Graph",
    "Indexing",
    "LearnedCalls",
    "Op",
    "Opaque",
    "Primitive",
    "PromptPart",
    "QueryExpansion",
    "Reranking",
    "SearchApi",
    "Searching",
    "Synthesis",
    "SynthesisMode",
    "Template",
    "choose",
    "decompose",
    "expand_synthesis",
    "flow",
    "mermaid",
    "picture",
    "to_json",
]
