"""Helpers of LangChain whose results become values of a learned call: a row each.

Where, and what the result says. Of classes that applications derive from, the method of the base is
taken that calls theirs. Written for langchain-core 1.7.2, langchain-classic 1.0.8 and
langchain-text-splitters 1.1.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift.stores import texts_of
from ayo_bridge.lift.taps import Helper, data, items, texts
from ayo_bridge.seam import Answer, FoundItem
from ayo_langchain.known import CLASSIC, CORE

_SPLITTERS: Final = ("1.0", "2")
_PARSERS: Final = "langchain_core.output_parsers"
_RETRIEVERS: Final = "langchain_classic.retrievers"
_REDUCE: Final = "langchain_classic.chains.combine_documents.reduce"
_SPLITTING: Final = "langchain_text_splitters"


def _item(document: Any) -> FoundItem:
    return FoundItem(document.page_content, document.id or "", texts_of(document.metadata))


def _documents(found: Iterable[Any]) -> Answer:
    return items(map(_item, found))


def _groups(groups: Iterable[Iterable[Any]]) -> Answer:
    return data([[document.page_content for document in group] for group in groups])


def _whole(given: Mapping[str, Any]) -> bool:
    """Of an answer that streams, each beginning is parsed: it is no value yet."""
    return not given.get("partial")


def _parser(module: str, name: str, method: str = "parse_result") -> Helper:
    return Helper(module, f"{name}.{method}", data, when=_whole)


_CORE_ROWS: Final = (
    _parser(f"{_PARSERS}.base", "BaseOutputParser"),
    _parser(f"{_PARSERS}.json", "JsonOutputParser"),
    _parser(f"{_PARSERS}.pydantic", "PydanticOutputParser"),
    _parser(f"{_PARSERS}.openai_tools", "JsonOutputToolsParser"),
    _parser(f"{_PARSERS}.openai_tools", "JsonOutputKeyToolsParser"),
    _parser(f"{_PARSERS}.openai_tools", "PydanticToolsParser"),
    _parser(f"{_PARSERS}.list", "CommaSeparatedListOutputParser", "parse"),
    _parser(f"{_PARSERS}.list", "NumberedListOutputParser", "parse"),
    _parser(f"{_PARSERS}.list", "MarkdownListOutputParser", "parse"),
)
_CLASSIC_ROWS: Final = (
    _parser("langchain_classic.output_parsers.regex", "RegexParser", "parse"),
    _parser("langchain_classic.output_parsers.structured", "StructuredOutputParser", "parse"),
    Helper(f"{_RETRIEVERS}.ensemble", "EnsembleRetriever.weighted_reciprocal_rank", _documents),
    Helper(f"{_RETRIEVERS}.multi_query", "MultiQueryRetriever.unique_union", _documents),
    *(
        Helper(
            f"{_RETRIEVERS}.{module}",
            f"{name}.{method}",
            _documents,
            awaited=method.startswith("_a"),
            asks=True,
        )
        for module, name in (
            ("merger_retriever", "MergerRetriever"),
            ("contextual_compression", "ContextualCompressionRetriever"),
        )
        for method in ("_get_relevant_documents", "_aget_relevant_documents")
    ),
    Helper(_REDUCE, "split_list_of_docs", _groups),
)
_SPLITTER_ROWS: Final = (
    Helper(f"{_SPLITTING}.base", "TextSplitter.split_documents", _documents),
    Helper(f"{_SPLITTING}.base", "TextSplitter.create_documents", _documents),
    Helper(f"{_SPLITTING}.base", "TokenTextSplitter.split_text", texts),
    Helper(f"{_SPLITTING}.character", "CharacterTextSplitter.split_text", texts),
    Helper(f"{_SPLITTING}.character", "RecursiveCharacterTextSplitter.split_text", texts),
    Helper(f"{_SPLITTING}.markdown", "MarkdownHeaderTextSplitter.split_text", _documents),
)

ROWS: Final = (*_CORE_ROWS, *_CLASSIC_ROWS, *_SPLITTER_ROWS)


def _binding(distribution: str, tested: tuple[str, str], rows: Iterable[Helper]) -> Binding:
    return Binding(
        f"values of {distribution}", distribution, tested, tuple(row.target() for row in rows)
    )


HELPERS: Final = (
    _binding("langchain-core", CORE, _CORE_ROWS),
    _binding("langchain-classic", CLASSIC, _CLASSIC_ROWS),
    _binding("langchain-text-splitters", _SPLITTERS, _SPLITTER_ROWS),
)
