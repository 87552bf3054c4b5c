"""The makers of LlamaIndex, a row each: which arguments become which parts.

Written for llama-index-core 0.14.25. What is made asks by its parts (:mod:`ayo_llamaindex.parts`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from ayo_bridge.lift.asking import Making, StandIn, stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_llamaindex.always_used import functions_of, of_settings
from ayo_llamaindex.known import overridden, replaced
from ayo_llamaindex.maker_arguments import Arguments, UnknownError, asking, is_node

METHOD: Final = "."
"""Before the name of a maker that is a method of an object."""
Row = Callable[[Any, Arguments], Making]
"""Of a class, a function or an object, and what its maker is given."""

_CORE: Final = "llama_index.core"
_VECTORS: Final = "VectorStoreIndex"
_RETRIEVER: Final = ("indices.vector_store.retrievers.retriever", "VectorIndexRetriever")
_ENGINE: Final = ("query_engine.retriever_query_engine", "RetrieverQueryEngine")
_KEEPS: Final = ("vector_store", "docstore", "documents", "readers")
_SIMPLE_CACHE: Final = f"{_CORE}.storage.kvstore.simple"
_OF_ENGINE: Final = ("llm", "embed_model", "response_synthesizer", "node_postprocessors", "filters")


def _made(module: str, name: str, **parts: object) -> StandIn:
    cls = loaded(f"{_CORE}.{module}", name)
    if cls is None or replaced(cls, "__init__", *functions_of(cls)) is not None:
        raise UnknownError(name)
    return StandIn(cls, **parts)


def _stored(cls: type, asked: Arguments) -> Making:
    """Something that asks nobody, made of what is only kept."""
    asked.rest()
    return Making(StandIn(cls))


# Indices, and what is made of them.


def _index(cls: type, asked: Arguments, nodes: str) -> Making:
    """An index of nodes or documents, which are split and embedded."""
    asked.several(nodes, is_node)
    asked.rest(nodes, "transformations", "embed_model")
    transformations = asked.several("transformations", asked.runs)
    if nodes == "documents" and not transformations:
        splitter = of_settings("_node_parser")
        transformations = of_settings("_transformations") or ([splitter] if splitter else [])
        if not all(map(asked.runs, transformations)):
            raise UnknownError("transformations")
    if cls.__name__ != _VECTORS:
        return Making(StandIn(cls, _object_map={}), asking(*transformations))
    model, store = asked.embed_model(), _made("vector_stores.simple", "SimpleVectorStore")
    made = StandIn(cls, _embed_model=model, _vector_store=store, _object_map={})
    return Making(made, asking(*transformations, model))


def _from_nodes(cls: type, asked: Arguments) -> Making:
    return _index(cls, asked, "nodes")


def _from_documents(cls: type, asked: Arguments) -> Making:
    return _index(cls, asked, "documents")


def _retriever(index: Any, asked: Arguments) -> StandIn:
    """A retriever over an index that is there already, or is made, too."""
    asked.rest(*_OF_ENGINE)
    if _name_of(index) != _VECTORS:
        asked.lacks("retriever_mode")
        return _made("indices.list.retrievers", "SummaryIndexRetriever")
    given = asked.given
    return _made(
        *_RETRIEVER,
        object_map=index._object_map,
        _vector_store=index._vector_store,
        _embed_model=given.get("embed_model", index._embed_model),
        _filters=given.get("filters"),
        _vector_store_query_mode=given.get("vector_store_query_mode", "default"),
        _kwargs=given.get("vector_store_kwargs", {}),
    )


def _as_retriever(index: Any, asked: Arguments) -> Making:
    return Making(_retriever(index, asked))


def _as_query_engine(index: Any, asked: Arguments) -> Making:
    return Making(_engine(_retriever(index, asked), asked))


def _over_index(_: object, asked: Arguments) -> Making:
    index = asked.given.pop("index")
    made = stands_for(index) is not None
    known = made or overridden(index, *functions_of(class_of(index))) is None
    if _name_of(index) != _VECTORS or not known:
        raise UnknownError("index")
    return Making(_retriever(index, asked))


def _name_of(obj: object) -> str:
    """The name of its class, where that is LlamaIndex's own."""
    cls = stands_for(obj) or class_of(obj)
    return cls.__name__ if loaded(cls.__module__, cls.__name__) is cls else ""


# Engines.


def _over_retriever(_: object, asked: Arguments) -> Making:
    return Making(_engine(asked.given.pop("retriever"), asked))


def _engine(retriever: object, asked: Arguments) -> StandIn:
    """A query engine; what its retriever and its postprocessors do they do when it is asked."""
    asked.rest(*_OF_ENGINE)
    llm = asked.llm()
    synthesizer = asked.given.get("response_synthesizer") or _of_mode(llm, asked)
    if not asked.knows(synthesizer):
        raise UnknownError("response_synthesizer")
    return _made(
        *_ENGINE,
        _retriever=retriever,
        _response_synthesizer=synthesizer,
        _node_postprocessors=asked.several("node_postprocessors", asked.may_be_told),
    )


def _fusion(cls: type, asked: Arguments) -> Making:
    """It asks for further queries, and then all of its retrievers."""
    asked.rest("llm", "retrievers")
    retrievers = asked.several("retrievers", lambda each: True)
    return Making(StandIn(cls, _llm=asked.llm(), _retrievers=retrievers, object_map={}))


# Synthesizers.

_MODES: Final = {
    "refine": ("refine", "Refine"),
    "compact": ("compact_and_refine", "CompactAndRefine"),
    "simple_summarize": ("simple_summarize", "SimpleSummarize"),
    "tree_summarize": ("tree_summarize", "TreeSummarize"),
    "generation": ("generation", "Generation"),
    "accumulate": ("accumulate", "Accumulate"),
    "compact_accumulate": ("compact_and_accumulate", "CompactAndAccumulate"),
}


def _synthesizer(cls: type, asked: Arguments) -> Making:
    asked.rest("llm")
    return Making(StandIn(cls, _llm=asked.llm(), _program_factory=None))


def _get_synthesizer(_: object, asked: Arguments) -> Making:
    asked.rest("llm")
    return Making(_of_mode(asked.llm(), asked))


def _of_mode(llm: object, asked: Arguments) -> StandIn:
    mode = asked.given.get("response_mode", "compact")
    module, name = _MODES[mode.value if isinstance(mode, Enum) else mode]
    return _made(f"response_synthesizers.{module}", name, _llm=llm, _program_factory=None)


# Ingestion.


def _pipeline(cls: type, asked: Arguments) -> Making:
    asked.rest("transformations")
    asked.lacks(*_KEEPS, "cache")
    transformations = asked.several("transformations", asked.runs)
    if not transformations:
        raise UnknownError("transformations")
    parts: dict[str, Any] = {**dict.fromkeys(_KEEPS), "transformations": transformations}
    return Making(StandIn(cls, disable_cache=True, **parts))  # Its cache is new, and empty.


def _nodes(pipeline: Any, asked: Arguments) -> Making:
    """The nodes that a pipeline makes, if it keeps nothing of them."""
    asked.rest("documents", "nodes")
    asked.lacks("num_workers")
    for name in ("documents", "nodes"):
        asked.several(name, is_node)
    cached = None if pipeline.disable_cache else pipeline.cache.cache
    known = cached is None or class_of(cached).__module__.startswith(_SIMPLE_CACHE)
    transformations = pipeline.transformations
    if (
        not known
        or any(getattr(pipeline, each) is not None for each in _KEEPS)
        or not all(map(asked.runs, transformations))
    ):
        raise UnknownError("pipeline")
    return Making([_made("schema", "TextNode")], asking(*transformations))


_INDICES: Final = (("indices.vector_store.base", _VECTORS), ("indices.list.base", "SummaryIndex"))
_TABLE: Final[tuple[tuple[tuple[str, str], str, Row], ...]] = (
    *(
        (found, "", _stored)
        for found in (
            ("schema", "Document"),
            ("schema", "TextNode"),
            ("prompts.base", "PromptTemplate"),
            ("node_parser.text.sentence", "SentenceSplitter"),
            ("node_parser.text.token", "TokenTextSplitter"),
        )
    ),
    *((index, "", _from_nodes) for index in _INDICES),
    *((index, "from_documents", _from_documents) for index in _INDICES),
    *((index, ".as_retriever", _as_retriever) for index in _INDICES),
    *((index, ".as_query_engine", _as_query_engine) for index in _INDICES),
    (_RETRIEVER, "", _over_index),
    (("retrievers.fusion_retriever", "QueryFusionRetriever"), "", _fusion),
    (_ENGINE, "", _over_retriever),
    (_ENGINE, "from_args", _over_retriever),
    (("response_synthesizers.factory", "get_response_synthesizer"), "", _get_synthesizer),
    *(
        ((f"response_synthesizers.{module}", name), "", _synthesizer)
        for module, name in _MODES.values()
    ),
    (("ingestion.pipeline", "IngestionPipeline"), "", _pipeline),
    (("ingestion.pipeline", "IngestionPipeline"), ".run", _nodes),
    (("ingestion.pipeline", "IngestionPipeline"), ".arun", _nodes),
)

ROWS: Final = {(f"{_CORE}.{module}", name, method): row for (module, name), method, row in _TABLE}
"""By the module and the name of a class or function, and the name of its method."""
