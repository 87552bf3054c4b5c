"""Taps: where LlamaIndex's own code tells the graph what it has made.

Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from typing import Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.lift.memo import remembered_signature
from ayo_bridge.lift.taps import after, after_async, before, handed_over
from ayo_llamaindex.batches import embedded
from ayo_llamaindex.guide import Guide
from ayo_llamaindex.indexing import indexed, transformed_for_index
from ayo_llamaindex.ingestion import IngestionGuide
from ayo_llamaindex.known import TESTED
from ayo_llamaindex.packing import remember_tokens
from ayo_llamaindex.transforming import transformed, transformed_async

_CORE: Final = "llama_index.core"
_SYNTHESIZERS: Final = f"{_CORE}.response_synthesizers"
_SPLITTER: Final = f"{_CORE}.node_parser.text.token"
_INDEX: Final = f"{_CORE}.indices.base"
_PIPELINE: Final = f"{_CORE}.ingestion.pipeline"
_FUSION: Final = f"{_CORE}.retrievers.fusion_retriever"

_tree = before(Guide, lambda guide, synthesizer, given: guide.tree_level(synthesizer, given))
_accumulate = before(Guide, lambda guide, synthesizer, given: guide.accumulate(synthesizer, given))
_refine = before(Guide, lambda guide, synthesizer, given: guide.refine(synthesizer, given))
repacked: Final = after(
    Guide, lambda guide, helper, given, chunks: guide.packed(helper, given["prompt"], chunks)
)
"""Goes with the row that makes a value of the chunks."""
_splitter = after(Guide, lambda _guide, _helper, _given, splitter: remember_tokens(splitter))
_queries = after(Guide, lambda guide, retriever, _, made: guide.generated(retriever, made))
_aqueries = after_async(Guide, lambda guide, retriever, _, made: guide.generated(retriever, made))
_split = handed_over(Guide, lambda guide, splitter, args: guide.split(splitter, *args))
_merge = handed_over(Guide, lambda guide, splitter, args: guide.merge(splitter, *args))
_asks = before(IngestionGuide, lambda guide, asking, given: guide.extracts(asking, given["nodes"]))

TAPS: Final = Binding(
    "LlamaIndex helpers",
    "llama-index-core",
    TESTED,
    (
        Target(f"{_SYNTHESIZERS}.tree_summarize", "TreeSummarize.get_response", _tree),
        Target(f"{_SYNTHESIZERS}.tree_summarize", "TreeSummarize.aget_response", _tree),
        Target(f"{_SYNTHESIZERS}.accumulate", "Accumulate.get_response", _accumulate),
        Target(f"{_SYNTHESIZERS}.accumulate", "Accumulate.aget_response", _accumulate),
        Target(f"{_SYNTHESIZERS}.refine", "Refine.get_response", _refine),
        Target(f"{_SYNTHESIZERS}.refine", "Refine.aget_response", _refine),
        Target(
            f"{_CORE}.indices.prompt_helper",
            "PromptHelper.get_text_splitter_given_prompt",
            _splitter,
        ),
        Target(_SPLITTER, "TokenTextSplitter._split", _split),
        Target(_SPLITTER, "TokenTextSplitter._merge", _merge),
        Target(_FUSION, "QueryFusionRetriever._get_queries", _queries),
        Target(_FUSION, "QueryFusionRetriever._aget_queries", _aqueries),
    ),
)

TRANSFORMATIONS: Final = Binding(
    "LlamaIndex transformations",
    "llama-index-core",
    TESTED,
    (
        Target(f"{_CORE}.extractors.interface", "BaseExtractor._aextract_with_retry", _asks),
        Target(f"{_CORE}.base.embeddings.base", "BaseEmbedding.__call__", _asks),
        Target(f"{_CORE}.base.embeddings.base", "BaseEmbedding.acall", _asks),
        Target(f"{_CORE}.base.embeddings.base", "BaseEmbedding.get_text_embedding_batch", embedded),
        Target(_INDEX, "BaseIndex.from_documents", indexed),
        Target(_INDEX, "BaseIndex.insert", indexed),
        Target(_INDEX, "run_transformations", transformed_for_index),
        Target(_INDEX, "arun_transformations", transformed_async),
        Target(_PIPELINE, "run_transformations", transformed),
        Target(_PIPELINE, "arun_transformations", transformed_async),
    ),
)
"""Where what transformations ask becomes known, in whatever call."""

INSTRUMENTATION: Final = Binding(
    "LlamaIndex instrumentation",
    "llama-index-core",
    TESTED,
    (
        # Every instrumented method asks for its own signature at every call.
        Target("llama_index_instrumentation.dispatcher", "inspect.signature", remembered_signature),
    ),
)
