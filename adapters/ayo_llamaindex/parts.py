"""Which fields of LlamaIndex's objects hold what they ask with: a row for classes that are alike.

Written for llama-index-core 0.14.25. A class that is not here may choose or make a client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ayo_bridge.lift.recognise import loaded

_CORE: Final = "llama_index.core"


@dataclass(frozen=True, slots=True)
class Part:
    """What objects of a class ask with.

    Args:
        uses: fields with what every call goes by: an object, or a list of them.
        picks: fields with a list or a mapping, of whose objects a call picks some.
    """

    uses: tuple[str, ...] = ()
    picks: tuple[str, ...] = ()


def part_of(cls: type) -> Part | None:
    """The row of a class; ``None``: its objects may do anything."""
    part = _PARTS.get((cls.__module__, cls.__name__))
    return part if part is not None and loaded(cls.__module__, cls.__name__) is cls else None


_ANSWERS: Final = "_retriever _response_synthesizer _node_postprocessors"
_CHATS: Final = "_llm _memory"

_ROWS: Final[tuple[tuple[str, ...], ...]] = (
    # module, classes, what they use, what they pick from
    ("query_engine.retriever_query_engine", "RetrieverQueryEngine", _ANSWERS),
    ("query_engine.citation_query_engine", "CitationQueryEngine", _ANSWERS),
    (
        "query_engine.transform_query_engine",
        "TransformQueryEngine",
        "_query_engine _query_transform",
    ),
    (
        "query_engine.multistep_query_engine",
        "MultiStepQueryEngine",
        "_query_engine _query_transform _response_synthesizer",
    ),
    ("query_engine.retry_query_engine", "RetryQueryEngine", "_query_engine _evaluator"),
    (
        "query_engine.retry_query_engine",
        "RetryGuidelineQueryEngine",
        "_query_engine _guideline_evaluator query_transformer",
    ),
    (
        "query_engine.retry_source_query_engine",
        "RetrySourceQueryEngine",
        "_query_engine _evaluator",
    ),
    (
        "query_engine.sub_question_query_engine",
        "SubQuestionQueryEngine",
        "_question_gen _response_synthesizer",
        "_query_engines",
    ),
    (
        "query_engine.router_query_engine",
        "RouterQueryEngine",
        "_selector _summarizer",
        "_query_engines",
    ),
    ("query_engine.graph_query_engine", "ComposableGraphQueryEngine", "", "_custom_query_engines"),
    # Retrievers. That with filters of its own asks a store as no search ahead does.
    (
        "indices.vector_store.retrievers.retriever",
        "VectorIndexRetriever",
        "_vector_store _embed_model",
        "object_map",
    ),
    ("indices.list.retrievers", "SummaryIndexRetriever"),
    ("indices.list.retrievers", "SummaryIndexEmbeddingRetriever", "_embed_model", "object_map"),
    ("indices.list.retrievers", "SummaryIndexLLMRetriever", "_llm", "object_map"),
    ("indices.document_summary.retrievers", "DocumentSummaryIndexLLMRetriever", "_llm"),
    (
        "indices.document_summary.retrievers",
        "DocumentSummaryIndexEmbeddingRetriever",
        "_vector_store _embed_model",
    ),
    ("indices.keyword_table.retrievers", "KeywordTableGPTRetriever", "_llm", "object_map"),
    ("indices.tree.all_leaf_retriever", "TreeAllLeafRetriever"),
    ("indices.tree.tree_root_retriever", "TreeRootRetriever"),
    ("indices.tree.select_leaf_retriever", "TreeSelectLeafRetriever", "_llm", "object_map"),
    (
        "indices.tree.select_leaf_embedding_retriever",
        "TreeSelectLeafEmbeddingRetriever",
        "_llm _embed_model",
        "object_map",
    ),
    ("indices.property_graph.retriever", "PGRetriever", "sub_retrievers"),
    ("indices.property_graph.sub_retrievers.llm_synonym", "LLMSynonymRetriever", "_llm"),
    ("retrievers.fusion_retriever", "QueryFusionRetriever", "_llm _retrievers", "object_map"),
    ("retrievers.auto_merging_retriever", "AutoMergingRetriever", "_vector_retriever"),
    ("retrievers.transform_retriever", "TransformRetriever", "_retriever _query_transform"),
    ("retrievers.router_retriever", "RouterRetriever", "_selector", "_retrievers"),
    (
        "retrievers.recursive_retriever",
        "RecursiveRetriever",
        "",
        "_retriever_dict _query_engine_dict",
    ),
    # Synthesizers.
    ("response_synthesizers.accumulate", "Accumulate", "_llm"),
    ("response_synthesizers.compact_and_accumulate", "CompactAndAccumulate", "_llm"),
    ("response_synthesizers.refine", "Refine", "_llm _program_factory"),
    ("response_synthesizers.compact_and_refine", "CompactAndRefine", "_llm _program_factory"),
    ("response_synthesizers.generation", "Generation", "_llm"),
    ("response_synthesizers.simple_summarize", "SimpleSummarize", "_llm"),
    ("response_synthesizers.tree_summarize", "TreeSummarize", "_llm"),
    ("response_synthesizers.context_only", "ContextOnly"),
    ("response_synthesizers.no_text", "NoText"),
    # Postprocessors.
    ("postprocessor.llm_rerank", "LLMRerank", "llm"),
    ("postprocessor.structured_llm_rerank", "StructuredLLMRerank", "llm"),
    ("postprocessor.rankGPT_rerank", "RankGPTRerank", "llm"),
    ("postprocessor.pii", "PIINodePostprocessor", "llm"),
    ("postprocessor.optimizer", "SentenceEmbeddingOptimizer", "_embed_model"),
    ("postprocessor.node_recency", "EmbeddingRecencyPostprocessor", "embed_model"),
    ("postprocessor.node_recency", "FixedRecencyPostprocessor TimeWeightedPostprocessor"),
    ("postprocessor.node", "KeywordNodePostprocessor SimilarityPostprocessor LongContextReorder"),
    ("postprocessor.node", "PrevNextNodePostprocessor"),
    ("postprocessor.metadata_replacement", "MetadataReplacementPostProcessor"),
    ("postprocessor.sbert_rerank", "SentenceTransformerRerank"),
    # Transformations.
    ("ingestion.pipeline", "IngestionPipeline", "transformations"),
    (
        "extractors.metadata_extractors",
        "TitleExtractor KeywordExtractor QuestionsAnsweredExtractor SummaryExtractor",
        "llm",
    ),
    ("extractors.metadata_extractors", "PydanticProgramExtractor", "program"),
    ("node_parser.text.sentence", "SentenceSplitter"),
    ("node_parser.text.token", "TokenTextSplitter"),
    ("node_parser.text.code", "CodeSplitter"),
    ("node_parser.text.sentence_window", "SentenceWindowNodeParser"),
    ("node_parser.text.semantic_splitter", "SemanticSplitterNodeParser", "embed_model"),
    ("node_parser.file.html", "HTMLNodeParser"),
    ("node_parser.file.json", "JSONNodeParser"),
    ("node_parser.file.markdown", "MarkdownNodeParser"),
    ("node_parser.file.simple_file", "SimpleFileNodeParser"),
    ("node_parser.relational.markdown_element", "MarkdownElementNodeParser", "llm"),
    ("indices.property_graph.transformations.implicit", "ImplicitPathExtractor"),
    ("indices.property_graph.transformations.simple_llm", "SimpleLLMPathExtractor", "llm"),
    ("indices.property_graph.transformations.schema_llm", "SchemaLLMPathExtractor", "llm"),
    ("indices.property_graph.transformations.dynamic_llm", "DynamicLLMPathExtractor", "llm"),
    (
        "indices.query.query_transform.base",
        "HyDEQueryTransform DecomposeQueryTransform StepDecomposeQueryTransform",
        "_llm",
    ),
    ("indices.query.query_transform.base", "IdentityQueryTransform"),
    (
        "indices.query.query_transform.feedback_transform",
        "FeedbackQueryTransformation",
        "llm",
    ),
    # Chat engines, with what they remember by.
    ("chat_engine.simple", "SimpleChatEngine", _CHATS),
    ("chat_engine.context", "ContextChatEngine", f"{_CHATS} _retriever _node_postprocessors"),
    (
        "chat_engine.condense_plus_context",
        "CondensePlusContextChatEngine",
        f"{_CHATS} _retriever _node_postprocessors",
    ),
    ("chat_engine.condense_question", "CondenseQuestionChatEngine", f"{_CHATS} _query_engine"),
    ("memory.chat_memory_buffer", "ChatMemoryBuffer"),
    ("memory.memory", "Memory", "memory_blocks"),
    # Agents, with tools of which they pick. What any function asks with nobody knows.
    ("agent.workflow.function_agent", "FunctionAgent", "llm tool_retriever", "tools"),
    ("agent.workflow.react_agent", "ReActAgent", "llm tool_retriever", "tools"),
    ("agent.workflow.multi_agent_workflow", "AgentWorkflow", "", "agents"),
    ("tools.query_engine", "QueryEngineTool", "_query_engine"),
    ("tools.retriever_tool", "RetrieverTool", "_retriever _node_postprocessors"),
    # What judges, selects and asks for an object.
    ("evaluation.answer_relevancy", "AnswerRelevancyEvaluator", "_llm"),
    ("evaluation.context_relevancy", "ContextRelevancyEvaluator", "_llm"),
    ("evaluation.correctness", "CorrectnessEvaluator", "_llm"),
    ("evaluation.faithfulness", "FaithfulnessEvaluator", "_llm"),
    ("evaluation.guideline", "GuidelineEvaluator", "_llm"),
    ("evaluation.pairwise", "PairwiseComparisonEvaluator", "_llm"),
    ("evaluation.relevancy", "RelevancyEvaluator", "_llm"),
    ("evaluation.semantic_similarity", "SemanticSimilarityEvaluator", "_embed_model"),
    ("selectors.embedding_selectors", "EmbeddingSingleSelector", "_embed_model"),
    ("selectors.llm_selectors", "LLMSingleSelector LLMMultiSelector", "_llm"),
    (
        "selectors.pydantic_selectors",
        "PydanticSingleSelector PydanticMultiSelector",
        "_selector_program",
    ),
    ("question_gen.llm_generators", "LLMQuestionGenerator", "_llm"),
    ("program.llm_program", "LLMTextCompletionProgram", "_llm"),
    ("program.function_program", "FunctionCallingProgram", "_llm"),
    ("llms.structured_llm", "StructuredLLM", "llm"),
    # Models of this process are nobody's.
    ("embeddings.mock_embed_model", "MockEmbedding"),
    ("llms.mock", "MockLLM"),
)

_PARTS: Final = {
    (f"{_CORE}.{module}", name): Part(*(tuple(words.split()) for words in fields))
    for module, names, *fields in _ROWS
    for name in names.split()
} | {
    ("llama_index.embeddings.huggingface.base", "HuggingFaceEmbedding"): Part(),
    ("llama_index.postprocessor.sbert_rerank.base", "SentenceTransformerRerank"): Part(),
}
