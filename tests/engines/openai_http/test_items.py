"""Items are certain when they are emitted: fuzzed against the frameworks' own parsers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.engines.openai_http import ItemParser, LineItems, LineList

# Every kind of white space that str.strip knows, what the parsers look at, and a letter.
ALPHABET = "a1. `\n\r\t\x0b\x1c\x85\u2003"
TEXTS = st.text(alphabet=ALPHABET, max_size=40)
CUTS = st.lists(st.integers(min_value=0, max_value=40), max_size=8)


def fusion(text: str, limit: int | None) -> list[str]:
    """`QueryFusionRetriever._get_queries`, LlamaIndex 0.14.25."""
    queries = text.strip("`").split("\n")
    queries = [q.strip() for q in queries if q.strip()]
    return queries[:limit]


def line_list(text: str) -> list[str]:
    """`LineListOutputParser.parse`, langchain-classic 1.0.8."""
    lines = text.strip().split("\n")
    return list(filter(None, lines))


def run(parser: ItemParser, text: str, cuts: list[int]) -> list[str]:
    """All items, with the text cut up; checks that places count up from 0."""
    found: list[tuple[int, str]] = []
    for cut in sorted(cuts):
        found += parser.feed(text[:cut])
    found += parser.finish(text)
    assert [index for index, _ in found] == list(range(len(found)))
    return [item for _, item in found]


@given(TEXTS, CUTS, st.one_of(st.none(), st.integers(min_value=0, max_value=4)))
def test_line_items_are_those_of_query_fusion(text: str, cuts: list[int], limit: int) -> None:
    assert run(LineItems(limit, strip="`"), text, cuts) == fusion(text, limit)


@given(TEXTS)
def test_line_items_of_a_text_that_grows_by_single_characters(text: str) -> None:
    assert run(LineItems(), text, list(range(len(text)))) == fusion(text, None)


@given(TEXTS, CUTS)
def test_line_lists_are_those_of_langchain(text: str, cuts: list[int]) -> None:
    assert run(LineList(), text, cuts) == line_list(text)


@given(TEXTS)
def test_line_lists_of_a_text_that_grows_by_single_characters(text: str) -> None:
    assert run(LineList(), text, list(range(len(text)))) == line_list(text)


def test_the_parsers_fuzzed_against_are_the_installed_ones() -> None:
    multi_query = pytest.importorskip("langchain_classic.retrievers.multi_query")
    retrievers = pytest.importorskip("llama_index.core.retrievers")
    text = "```\n1. one\n\n  2. two \n   \nthree\n```"
    assert multi_query.LineListOutputParser().parse(text) == line_list(text)

    class Spy:
        def complete(self, prompt: str) -> object:
            return type("Response", (), {"text": text})()

    retriever = object.__new__(retrievers.QueryFusionRetriever)
    retriever.__dict__.update(
        _llm=Spy(), num_queries=3, query_gen_prompt="{num_queries}{query}", _verbose=False
    )
    assert [q.query_str for q in retriever._get_queries("?")] == fusion(text, 2)


def test_an_item_comes_with_the_line_break_behind_it() -> None:
    parser = LineItems(3)
    assert parser.feed("``") == []
    assert parser.feed("``\n one") == []
    assert parser.feed("``\n one\n") == [(0, "one")]
    assert parser.feed("``\n one\ntwo `\n\nth") == [(1, "two `")]
    assert parser.finish("``\n one\ntwo `\n\nthree``") == [(2, "three")]


def test_a_line_with_white_space_at_its_end_is_held_until_more_follows() -> None:
    parser = LineList()
    assert parser.feed("one\n") == [(0, "one")]
    assert parser.feed("one\ntwo \n") == []
    assert parser.feed("one\ntwo \n \n3") == [(1, "two "), (2, " ")]
    assert parser.finish("one\ntwo \n \n3 \n") == [(3, "3")]


def test_the_limit_counts_items() -> None:
    parser = LineItems(1)
    assert parser.feed("one\ntwo\n") == [(0, "one")]
    assert parser.finish("one\ntwo\n") == []
