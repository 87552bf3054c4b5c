"""Trees, ways of asking and questions, drawn by hypothesis; they shrink towards one step."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.compositions.algebra import (
    Answer,
    Apart,
    Ask,
    Beside,
    Branch,
    Check,
    Compute,
    Each,
    Fails,
    Failure,
    Fields,
    Glue,
    Judged,
    Kept,
    Node,
    Persist,
    Raises,
    Rescue,
    Route,
    Search,
    Streamed,
    Then,
    Tool,
    Until,
)

_CHECKS = st.sampled_from(Check)
_ASK = st.builds(Ask, st.integers(0, 4), st.booleans())
_LIST = st.builds(Ask, st.integers(0, 4), st.just(True))
_LEAF: st.SearchStrategy[Node] = st.one_of(
    _ASK,
    _ASK,
    st.builds(Search, st.integers(1, 3)),
    st.builds(Answer, st.integers(1, 3), st.integers(0, 4)),
    st.builds(Compute, st.sampled_from(Glue)),
)
_OFTEN_FINE: st.SearchStrategy[Node] = st.builds(
    Rescue, st.builds(Raises, _CHECKS), _LEAF
) | st.builds(Raises, st.sampled_from([Check.AMBER, Check.NEVER, Check.EVEN]))


def _more(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Then, several),
        st.builds(Beside, several),
        st.builds(Apart, several),
        st.builds(Apart, several),
        st.builds(Then, st.tuples(_LIST, st.builds(Each, inner))),
        st.builds(Branch, _CHECKS, inner, inner),
        st.builds(Each, inner),
        st.builds(Until, _CHECKS, inner, st.integers(1, 3)),
        st.builds(Tool, inner),
        st.builds(Rescue, st.builds(Then, st.tuples(inner, _OFTEN_FINE)), inner),
        st.builds(Then, st.tuples(inner, _OFTEN_FINE)),
    )


SMALL_TREES: st.SearchStrategy[Node] = _more(_LEAF)
TREES: st.SearchStrategy[Node] = _more(st.recursive(_LEAF, _more, max_leaves=3))


def _wider(failures: list[Failure]) -> st.SearchStrategy[Node]:
    number = st.integers(0, 4)
    fails = st.builds(Fails, number, st.sampled_from(failures))
    leaf: st.SearchStrategy[Node] = st.one_of(_LEAF, fails, st.builds(Streamed, number))

    def more(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        return st.one_of(
            _more(inner),
            st.builds(Route, _CHECKS, inner, inner),
            st.builds(Then, st.tuples(_ASK, st.builds(Branch, _CHECKS, inner, inner))),
            st.builds(Judged, number, _CHECKS, inner, inner),
            st.builds(Persist, number, _CHECKS, inner, st.integers(1, 3)),
            st.builds(Kept, inner),
            st.builds(Then, st.tuples(inner, fails, inner)),
            st.builds(Rescue, fails, inner),
        )

    trees = more(st.recursive(leaf, more, max_leaves=3))
    return trees | st.builds(Fields, trees)


WIDER_TREES: st.SearchStrategy[Node] = _wider([each for each in Failure if each != Failure.LATE])
"""With servers that fail, answers that decide, histories, streams and mappings."""
LATE_TREES: st.SearchStrategy[Node] = _wider([Failure.LATE])
"""Like these, with time-outs: they take their time."""
_WORD = st.sampled_from(["rivers", "Bridges", "amber", "two lamps", "7 storms", "naïve  gates"])
_QUESTION = st.builds("What of {} and {}?".format, _WORD, _WORD) | st.builds(
    "{}\n{}".format, _WORD, _WORD
)


@dataclass(frozen=True)
class Example:
    """A composition and how it is asked; the questions are all distinct."""

    tree: Node
    entry: str
    questions: tuple[str, ...]
    sound: int = 0
    """So many questions are answered before the server begins to fail: by then much is learned."""


def examples(
    entries: tuple[str, ...], questions: int, trees: st.SearchStrategy[Node] = TREES
) -> st.SearchStrategy[Example]:
    """What ``entries`` a framework has; each example is asked so many questions."""
    asked = st.lists(_QUESTION, min_size=questions, max_size=questions).map(
        # Equal ones teach nothing: a number tells them apart.
        lambda texts: tuple(f"{text} ({at})" for at, text in enumerate(texts))
    )
    return st.builds(Example, trees, st.sampled_from(entries), asked, st.sampled_from([0, 4, 5]))
