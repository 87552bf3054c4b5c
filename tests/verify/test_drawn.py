"""What an original draws anew in each run is no difference, and what differs beside it is."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from contextlib import closing

import pytest
from llama_index.core.base.response.schema import Response
from llama_index.core.schema import NodeWithScore, TextNode

from ayo_bridge import Runtime, accelerate
from ayo_bridge.verify.alike import alike_but_for_drawn
from ayo_bridge.verify.comparing import Comparison
from ayo_bridge.verify.report import Compared, Outcome, Report
from ayo_bridge.verify.target import known
from tests.adapters.python.programs import asked, client_of
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def _answers(stub: StubOpenAI, adds: str) -> Callable[[str], Response]:
    """Answers with a node that it makes in each call, as a question of a question does."""
    client = client_of(stub)

    def answer(query: str) -> Response:
        text = asked(client, query)
        node = TextNode(text=text + adds)
        return Response(f"{text} ({uuid.uuid4()})", [NodeWithScore(node=node)], {node.node_id: {}})

    return answer


def _compared(stub: StubOpenAI, adds: str) -> Compared:
    with closing(Runtime(templates=False)) as runtime:
        loaded = known(_answers(stub, ""), "answer")
        comparison = Comparison(loaded, accelerate(_answers(stub, adds), runtime=runtime), runtime)
        with closing(comparison):
            return comparison.compare("what is a bridge over").compared


@pytest.mark.parametrize(("adds", "outcome"), [("", Outcome.DRAWN), ("!", Outcome.DIFFERS)])
def test_ids_that_are_drawn_are_no_difference_and_what_stands_beside_them_is(
    adds: str, outcome: Outcome
) -> None:
    with StubOpenAI(latency=0.0) as stub:
        compared = _compared(stub, adds)
    assert compared.outcome is outcome, compared
    said = "1 of 1 call the same; 1 of them but for what the original draws anew in each run"
    assert (Report("", (compared,)).verdict == said) is (outcome is Outcome.DRAWN)


@pytest.mark.parametrize(("adds", "outcome"), [("", Outcome.BY_REQUEST), ("!", Outcome.DIFFERS)])
def test_nor_are_they_where_the_engine_samples(adds: str, outcome: Outcome) -> None:
    numbers = itertools.count()
    with StubOpenAI(latency=0.0) as stub:
        stub.text = lambda body: f"answer {next(numbers)}"
        compared = _compared(stub, adds)
    assert compared.outcome is outcome, compared


@pytest.mark.parametrize(
    ("original", "again", "fast", "same"),
    [
        ("a 1 b", "a 2 b", "a 3 b", True),
        ("a 1 b", "a 2 b", "a 3 c", False),
        ("a 1 b", "a 2 b", "a 3 b c", False),
        (["x", 1], ["x", 2], ["x", 3], True),
        (["x", 1], ["x", 2], ["y", 3], False),
        (["x"], ["y"], [], False),
        ({"1": "x"}, {"2": "x"}, {"3": "x"}, True),
        ({"1": "x"}, {"2": "x"}, {"3": "y"}, False),
        ({"1": "x"}, {"2": "x"}, {"3": "x", "4": "x"}, False),
        (1, 2, "3", False),
        (None, "2", "3", False),
        (0.5, 0.5, 0.5 + 1e-9, True),
        (0.5, 0.5, 0.6, False),
    ],
)
def test_only_words_and_numbers_that_differ_in_both_runs_are_drawn(
    original: object, again: object, fast: object, *, same: bool
) -> None:
    assert alike_but_for_drawn(original, again, fast) is same
