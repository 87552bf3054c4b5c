"""The classes of retrievers that are followed: a row each."""

from __future__ import annotations

from typing import Final

from ayo_bridge.lift.places import Kind
from ayo_langchain.expansion import lift_multi_query
from ayo_langchain.fan_out import lift_fan_out
from ayo_langchain.searching import RETRIEVER_METHODS

_CLASSIC: Final = "langchain_classic.retrievers"
_QUERIES: Final = (
    "generate_queries",
    "agenerate_queries",
    "retrieve_documents",
    "aretrieve_documents",
)

KINDS: Final = (
    Kind(
        f"{_CLASSIC}.multi_query",
        "MultiQueryRetriever",
        lift_multi_query,
        ("_get_relevant_documents", "_aget_relevant_documents"),
        (*RETRIEVER_METHODS, *_QUERIES),
    ),
    Kind(
        f"{_CLASSIC}.ensemble",
        "EnsembleRetriever",
        lift_fan_out,
        ("rank_fusion", "arank_fusion"),
        RETRIEVER_METHODS,
    ),
    Kind(
        f"{_CLASSIC}.merger_retriever",
        "MergerRetriever",
        lift_fan_out,
        ("merge_documents", "amerge_documents"),
        RETRIEVER_METHODS,
    ),
)
