"""What is expected of a request: by its place in a graph, by the graph, by how it begins."""

from __future__ import annotations

from ayo_bridge.schedule.expected import Expectation, Expected
from ayo_bridge.schedule.routing import Prompt
from ayo_bridge.seam import Foreseen

LEAF, ROOT = Foreseen("leaf", resumes=False), Foreseen("root", resumes=False)


def send(expected: Expected, begins: int, foreseen: Foreseen | None = None) -> Expectation:
    return expected.asks(Prompt((begins, 99), 64.0, foreseen=foreseen), 0.0)


def query(expected: Expected, begins: int, leaves: int = 5) -> tuple[Expectation, Expectation]:
    """A tree whose leaves say 10 tokens and whose root says 50; what was expected of the last leaf
    and of the root, whose prompts all begin alike."""
    for _ in range(leaves):
        leaf = Prompt((begins, 1), 64.0, foreseen=LEAF)
        of_leaf = expected.asks(leaf, 0.0)
        expected.ended(leaf, 10)
    root = Prompt((begins, 2), 64.0, foreseen=ROOT)
    of_root = expected.asks(root, 0.0)
    expected.ended(root, 50)
    return of_leaf, of_root


def test_each_place_has_answers_of_its_own_however_prompts_begin() -> None:
    expected = Expected()
    assert query(expected, 1)[1] == Expectation(None, False)
    for begins in (1, 2):
        leaf, root = query(expected, begins)
        assert (leaf.output, root.output) == (10, 50)


def test_where_a_place_is_shared_the_beginning_tells_programs_apart() -> None:
    expected = Expected()
    for begins, output in ((1, 10), (2, 90)) * 4:
        prompt = Prompt((begins,), 32.0, foreseen=LEAF)
        expected.asks(prompt, 0.0)
        expected.ended(prompt, output)
    assert [send(expected, begins, LEAF).output for begins in (1, 2)] == [10, 90]


def test_a_place_that_is_new_goes_by_what_begins_alike_and_has_none() -> None:
    expected = Expected()
    for _ in range(4):
        send(expected, 1)
        expected.ended(Prompt((1, 99), 64.0), 20)
    assert send(expected, 1, Foreseen("new")) == Expectation(20, False)
    assert send(expected, 2, Foreseen("new")) == Expectation()


def test_no_more_is_expected_than_a_request_allows() -> None:
    expected = Expected()
    query(expected, 1)
    assert expected.asks(Prompt((1, 2), 64.0, 30, foreseen=ROOT), 0.0).output == 30


def test_the_graph_is_believed_at_once_and_what_was_seen_of_its_place_more() -> None:
    """It ends with its query: what a later one goes on from it cannot know."""
    expected = Expected()
    assert send(expected, 1, LEAF).resumes is False
    assert send(expected, 1, Foreseen("warm", resumes=True, seconds=3.0)) == Expectation(
        None, True, 6.0
    )
    turns = tuple(range(10, 20))
    for turn in range(1, 9):
        found = expected.asks(Prompt(turns[:turn], 32.0 * turn, foreseen=LEAF), float(turn))
    assert found.resumes
    assert found.seconds == 2.0


def test_a_prefix_has_one_token_and_is_gone_on_from() -> None:
    warm = Prompt((1, 2), 64.0, warm=True, foreseen=Foreseen("warm"))
    assert Expected().asks(warm, 0.0) == Expectation(1, True)
