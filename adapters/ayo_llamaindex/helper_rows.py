"""Helpers of LlamaIndex whose results become values of a learned call: a row each.

Where, and what the result says. Of classes that applications derive from, the method of the base is
taken that calls theirs. Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift.stores import texts_of
from ayo_bridge.lift.taps import Helper, data, items, texts
from ayo_bridge.seam import Answer
from ayo_llamaindex import choosing, found_nodes
from ayo_llamaindex.found_nodes import item_of
from ayo_llamaindex.known import TESTED
from ayo_llamaindex.taps import repacked

_CORE: Final = "llama_index.core"
_PARSER: Final = f"{_CORE}.node_parser"
_TREE: Final = f"{_CORE}.indices.tree"
_FUSION: Final = f"{_CORE}.retrievers.fusion_retriever"
_POSTPROCESSOR: Final = f"{_CORE}.postprocessor"
_MEMORY: Final = f"{_CORE}.memory"
_EXTRACTORS: Final = f"{_CORE}.extractors"
_SORTED: Final = (
    *("select_leaf_retriever", "select_leaf_embedding_retriever", "all_leaf_retriever"),
    "tree_root_retriever",
)


def _nodes(found: Iterable[Any]) -> Answer:
    return items(map(item_of, found))


def _parsed(output: Any) -> Answer:
    return data(getattr(output, "parsed_output", output))


def _messages(history: Iterable[Any]) -> Answer:
    return texts(message.content or "" for message in history)


def _grouped(by_document: Mapping[Any, Iterable[Any]]) -> Answer:
    """The texts of the nodes of each document, in the order in which they are read."""
    return data([[node.get_content() for node in nodes] for nodes in by_document.values()])


def _said(text: str) -> Answer:
    return Answer(text=text)


def _metadata(nodes: Iterable[Any]) -> Answer:
    """What an extractor has found for each node, whatever document that belongs to."""
    return data([texts_of(node.metadata) for node in nodes])


def _selected(result: Any) -> Answer:
    """Who was chosen, and whether there are several answers to be made one of."""
    chosen = [str(each.index) for each in result.selections]
    return data({"chosen": chosen, "combined": [len(chosen)] if len(chosen) > 1 else []})


def _judged(result: Any) -> Answer:
    """The sources of an answer that failed: each of them may be judged by itself."""
    return data({"failed": [] if result.passing else list(result.contexts or ())})


_PACKING: Final = (
    Helper(f"{_CORE}.indices.prompt_helper", "PromptHelper.repack", texts, tap=repacked),
    Helper(f"{_CORE}.indices.prompt_helper", "PromptHelper.truncate", texts),
)
_SPLITTING: Final = (
    Helper(f"{_PARSER}.interface", "NodeParser.get_nodes_from_documents", _nodes),
    Helper(f"{_PARSER}.interface", "NodeParser.aget_nodes_from_documents", _nodes, awaited=True),
    Helper(
        f"{_PARSER}.relational.hierarchical",
        "HierarchicalNodeParser.get_nodes_from_documents",
        _nodes,
    ),
    Helper(f"{_PARSER}.interface", "TextSplitter.split_texts", texts),
    Helper(f"{_PARSER}.text.sentence", "SentenceSplitter.split_text", texts),
    Helper(f"{_PARSER}.text.token", "TokenTextSplitter.split_text", texts),
    Helper(f"{_PARSER}.text.code", "CodeSplitter.split_text", texts),
)
_EXTRACTING: Final = (
    Helper(
        f"{_EXTRACTORS}.metadata_extractors",
        "TitleExtractor.separate_nodes_by_ref_id",
        _grouped,
    ),
    Helper(
        f"{_EXTRACTORS}.interface",
        "BaseExtractor.aprocess_nodes",
        _metadata,
        awaited=True,
        asks=True,
    ),
    Helper(
        f"{_EXTRACTORS}.metadata_extractors",
        "TitleExtractor.get_title_candidates",
        texts,
        awaited=True,
        asks=True,
    ),
)
_CHOOSING: Final = (
    Helper(f"{_POSTPROCESSOR}.types", "BaseNodePostprocessor.postprocess_nodes", _nodes, asks=True),
    Helper(
        f"{_POSTPROCESSOR}.types",
        "BaseNodePostprocessor.apostprocess_nodes",
        _nodes,
        awaited=True,
        asks=True,
    ),
    Helper(
        f"{_POSTPROCESSOR}.rankGPT_rerank",
        "RankGPTRerank.apostprocess_nodes",
        _nodes,
        awaited=True,
        asks=True,
    ),
    Helper(_FUSION, "QueryFusionRetriever._reciprocal_rerank_fusion", _nodes),
    Helper(_FUSION, "QueryFusionRetriever._relative_score_fusion", _nodes),
    Helper(_FUSION, "QueryFusionRetriever._simple_fusion", _nodes),
    Helper(
        f"{_CORE}.retrievers.recursive_retriever", "RecursiveRetriever._deduplicate_nodes", _nodes
    ),
    Helper(f"{_CORE}.indices.property_graph.retriever", "PGRetriever._deduplicate", _nodes),
    Helper(
        f"{_CORE}.indices.list.retrievers", "SummaryIndexLLMRetriever._retrieve", _nodes, asks=True
    ),
    Helper(
        f"{_CORE}.indices.document_summary.retrievers",
        "DocumentSummaryIndexLLMRetriever._retrieve",
        _nodes,
        asks=True,
    ),
    Helper(
        f"{_CORE}.query_engine.citation_query_engine",
        "CitationQueryEngine._create_citation_nodes",
        _nodes,
    ),
    *(Helper(f"{_TREE}.{module}", "get_sorted_node_list", _nodes) for module in _SORTED),
)
_BRANCHING: Final = (
    Helper(f"{_CORE}.base.base_selector", "BaseSelector.select", _selected, asks=True),
    Helper(
        f"{_CORE}.base.base_selector", "BaseSelector.aselect", _selected, awaited=True, asks=True
    ),
    Helper(f"{_CORE}.evaluation.base", "BaseEvaluator.evaluate_response", _judged, asks=True),
    Helper(
        f"{_CORE}.evaluation.base",
        "BaseEvaluator.aevaluate_response",
        _judged,
        awaited=True,
        asks=True,
    ),
)
"""How often something is done next is the length of a list in these."""
_PARSING: Final = (
    Helper(f"{_CORE}.output_parsers.selection", "SelectionOutputParser.parse", _parsed),
    Helper(f"{_CORE}.output_parsers.pydantic", "PydanticOutputParser.parse", _parsed),
    Helper(f"{_CORE}.question_gen.output_parser", "SubQuestionOutputParser.parse", _parsed),
    Helper(
        f"{_CORE}.agent.react.output_parser",
        "ReActOutputParser.parse",
        _parsed,
        when=lambda given: not given.get("is_streaming"),
    ),
)
_REMEMBERING: Final = (
    Helper(f"{_MEMORY}.chat_memory_buffer", "ChatMemoryBuffer.get", _messages),
    Helper(f"{_MEMORY}.chat_memory_buffer", "ChatMemoryBuffer.aget", _messages, awaited=True),
    Helper(f"{_MEMORY}.memory", "Memory.aget", _messages, awaited=True, asks=True),
    *(
        Helper(f"{_CORE}.chat_engine.{module}", "messages_to_history_str", _said)
        for module in ("condense_question", "condense_plus_context")
    ),
)

ROWS: Final = (
    *(*_PACKING, *_SPLITTING, *_EXTRACTING, *_CHOOSING),
    *(*_BRANCHING, *_PARSING, *_REMEMBERING),
)
HELPERS: Final = Binding(
    "LlamaIndex values",
    "llama-index-core",
    TESTED,
    (*found_nodes.TARGETS, *choosing.TARGETS, *(row.target() for row in ROWS)),
)
