"""What examples and benchmarks print is whole on a terminal of 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from benchmarks.measure import Result, report
from examples.demo.comparison import Answer, Outcome
from examples.demo.report import seen, table
from examples.demo.workflows import Workflow

ENGINES = (
    Workflow("tree", "Tree summarize", "tree_summarize over 8 chunks", None),
    Workflow("fusion", "fusion of queries", "fusion of 4 queries, rerank, compact", None),
    Workflow("refine", "chat refine", "chat refine over 4 chunks", None),
)
CUT = "…"


def printed(*things: RenderableType) -> str:
    console = Console(file=(shown := io.StringIO()), width=80)
    for thing in things:
        console.print(thing)
    return shown.getvalue()


def outcome(workflow: Workflow, before: float, after: float, *differences: str) -> Outcome:
    slow, fast = ([Answer("text", (), (), seconds, 9)] for seconds in (before, after))
    return Outcome(workflow, None, slow, fast, list(differences))


def test_the_demos_table_has_all_of_it_and_says_what_was_seen() -> None:
    found = [
        outcome(engine, before, after)
        for engine, before, after in zip(
            ENGINES, (180.0, 10.0, 1.0), (100.0, 12.5, 1.0), strict=True
        )
    ]
    text = printed(table(found), seen(found))
    assert CUT not in text
    assert max(map(len, text.splitlines())) <= 80
    for word in ("tree_summarize", "accelerated", "answers", "180.00 s", "1.80x", "batch"):
        assert word in text
    assert seen(found) == (
        "Tree summarize answered 1.8x as fast; fusion of queries took 1.2x as long; chat refine "
        "took as long as before. Answers, their sources and the LLM calls are identical."
    )


def test_the_demo_says_which_answers_differ() -> None:
    found = [outcome(ENGINES[0], 2.0, 1.0), outcome(ENGINES[2], 2.0, 1.0, "the text for 'a'")]
    assert seen(found).endswith("Answers DIFFER from the original's: chat refine.")


@pytest.mark.parametrize("met", [True, False])
def test_a_benchmarks_table_has_all_of_it(met: bool) -> None:
    name = "LlamaIndex tree_summarize, 8 summaries"
    results = [Result(name, [1.2345], [0.2], met, "at most 3 ms slower", met)]
    console = Console(file=(shown := io.StringIO()), width=80)
    assert report(results, console, None) == (0 if met else 1)
    text = shown.getvalue()
    assert CUT not in text
    assert ("answers DIFFER" in text) != met
    for word in ("tree_summarize,", "1234.5 ms", "accelerated", "at most 3 ms slower"):
        assert word in text
