"""The first line: what a call took and would have taken."""

from dataclasses import replace
from itertools import pairwise

import pytest

from ayo_bridge.graph import Graph, LearnedCalls, Op, Primitive, Template
from ayo_bridge.observe import explain_state
from ayo_bridge.observe.expected import expected
from ayo_bridge.passes import Decision
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead import Learning
from ayo_bridge.seam import EngineCall, EngineKind, Outcome, Usage
from tests.observe.states import TEMPLATE, call, record, state


def graph(parts: int, *, ordered: bool, concurrent: bool = False) -> Graph:
    """Calls that take nothing from each other."""
    names = [f"answer.prefill[{i}]" for i in range(parts)]
    made = [
        Primitive(name, Op.PREFILLING, "answer", "llm", concurrent=concurrent) for name in names
    ]
    order = pairwise(names) if ordered else ()
    return Graph(made, order=order)


def asked(i: int, waited: float, outcome: Outcome = Outcome.HIT, **more: float) -> EngineCall:
    """A call of one second, unless it is said how long."""
    times = {"start": 10.0, "seconds": 1.0, **more}
    made = call(outcome, primitive=f"answer.prefill[{i}]", engine="llm", waited=waited, **times)
    made.kind, made.tokens = EngineKind.LLM, Usage(0, 10)
    return made


def alone() -> CallRecord:
    """Shows that ten tokens take a second."""
    return record(asked(0, 1.0, Outcome.DIRECT, start=0.0))


def called(p_graph: Graph, *calls: EngineCall, ended: float = 11.0) -> CallRecord:
    made = record(*calls, e_graph=p_graph, ended=ended)
    return CallRecord(
        "query", made.started, TEMPLATE, p_graph, p_graph, calls=made.calls, ended=ended
    )


def won(*records: CallRecord) -> tuple[float, float]:
    known = expected(records)
    assert known is not None
    return round(known.before, 3), round(known.after, 3)


def test_calls_that_the_original_makes_one_after_another_add_up() -> None:
    made = called(graph(4, ordered=True), asked(0, 1.0), *(asked(i, 0.0) for i in range(1, 4)))
    assert won(alone(), made) == (4.0, 1.0)


def test_calls_that_the_original_makes_side_by_side_do_not_add_up() -> None:
    calls = [asked(0, 1.0), *(asked(i, 0.0) for i in range(1, 4))]
    assert won(alone(), called(graph(4, ordered=False), *calls)) == (1.0, 1.0)
    for each in calls:
        each.primitive = "answer.prefill[0]"
    assert won(alone(), called(graph(1, ordered=False), *calls)) == (4.0, 1.0)
    assert won(alone(), called(graph(1, ordered=False, concurrent=True), *calls)) == (1.0, 1.0)


def test_what_slowed_down_side_by_side_was_not_won() -> None:
    """On one slot four calls at a time take four times as long each."""
    calls = [asked(i, 4.0 if i == 0 else 0.0, seconds=4.0) for i in range(4)]
    made = called(graph(4, ordered=True), *calls, ended=14.0)
    assert won(alone(), made) == (4.0, 4.0)
    said = str(explain_state(state(alone(), made)))
    assert said.startswith("nothing won: about 4.0 s a call, as in the original, over 1 call; ")
    assert "Side by side each takes 4.0 times as long as alone" in said


def test_a_longer_prompt_is_no_reason_to_have_taken_longer() -> None:
    calls = [asked(i, 4.0 if i == 0 else 0.0, seconds=4.0) for i in range(4)]
    for each in calls:
        each.tokens = Usage(5000, 10)
    assert won(alone(), called(graph(4, ordered=True), *calls, ended=14.0)) == (4.0, 4.0)


def test_the_calls_most_alike_say_how_long_one_takes_alone() -> None:
    """A short answer costs more for each token: the fixed time is spread over few."""
    short = [record(asked(0, 1.0, Outcome.DIRECT, start=-1e3 * i)) for i in range(1, 6)]
    for each in short:
        each.calls[0].tokens = Usage(0, 1)
    calls = [asked(i, 4.0 if i == 0 else 0.0, seconds=4.0) for i in range(4)]
    long = [record(asked(0, 1.0, Outcome.DIRECT, start=-100.0 * i)) for i in range(1, 6)]
    assert won(*short, *long, called(graph(4, ordered=True), *calls, ended=14.0)) == (4.0, 4.0)


def test_where_nothing_ran_alone_it_says_at_most() -> None:
    calls = [asked(i, 1.0 if i == 0 else 0.0) for i in range(2)]
    said = str(explain_state(state(called(graph(2, ordered=True), *calls))))
    assert said.startswith("about 2.0 s -> 1.0 s a call (2.0x at most) over 1 call")


def test_of_a_batch_each_call_is_its_share() -> None:
    calls = [asked(i, 0.0 if i else 0.5, seconds=1.0) for i in range(4)]
    for each in calls:
        each.batch = 4
    assert won(alone(), called(graph(4, ordered=True), *calls)) == (1.5, 1.0)


def test_calls_that_shared_a_batch_when_they_were_asked_win_nothing() -> None:
    fused = [call(fused=True, batch=2, waited=0.1) for _ in range(2)]
    assert expected([record(*fused)]) is None


def test_learned_calls_add_up_as_far_as_their_traces_did() -> None:
    template = Template((LearnedCalls(name="answer", llm="llm"),), name="query")
    p_graph = graph(4, ordered=False)
    calls = [asked(0, 1.0), *(asked(i, 0.0) for i in range(1, 4))]
    for gain, before in ((2.5, 3.5), (9.0, 4.0), (None, 1.0)):
        made = called(p_graph, *calls)
        made = CallRecord(
            "query", 10.0, template, p_graph, p_graph, (), calls, 11.0, predicted_gain=gain
        )
        assert won(alone(), made) == (before, 1.0)


def test_a_call_that_failed_does_not_count() -> None:
    good = called(graph(2, ordered=True), asked(0, 0.0))
    bad = called(graph(2, ordered=True), asked(0, 0.0), ended=99.0)
    bad.error = "ValueError()"
    assert won(good, bad) == won(good)


def test_a_win_begins_with_the_times_and_ends_with_what_was_left_alone() -> None:
    made = called(graph(4, ordered=True), asked(0, 1.0), *(asked(i, 0.0) for i in range(1, 4)))
    parts = (("Rank", "a subclass"), ("Cut", "has a cache"))
    shown = state(alone(), made, opaque=parts)
    shown.learning = lambda: Learning(("learned from 4 calls",), in_use=True)
    assert str(explain_state(shown)) == (
        """\
about 4.0 s -> 1.0 s a call (4.0x) over 1 call; learned; 2 parts left alone: Rank, Cut
Longest left: answer, on llm, 1.0 s of 1.0 s a call.
  Each writes about 10 tokens: a faster model, a shorter prompt or answer would shorten it.
Last call: query, 1.00 s; engine calls: 4 made ahead and used
Left alone: Rank (a subclass)
Left alone: Cut (has a cache)
Details: explain(x).full()"""
    )


@pytest.mark.parametrize(
    ("learning", "line"),
    [
        (
            Learning(("learning (2 of 4 calls)",), 2, 4),
            "learning: 2 of 4 calls with different inputs seen",
        ),
        (
            Learning.of_several({"query": Learning((), 1, 4), "aquery": Learning((), 3, 4)}),
            "learning: 3 of 4 calls with different inputs seen",
        ),
        (
            Learning(("learned from 4 calls; running ahead would win 0 of 9 ms",)),
            "nothing won: about 1.0 s a call, as in the original, over 1 call; "
            "learned from 4 calls; running ahead would win 0 of 9 ms",
        ),
        (
            Learning(("makes no engine calls",)),
            "nothing won: about 1.0 s a call, as in the original, over 1 call; "
            "makes no engine calls",
        ),
    ],
)
def test_while_nothing_runs_ahead_it_says_why(learning: Learning, line: str) -> None:
    shown = state(alone())
    shown.learning = lambda: learning
    shown._records[0].started, shown._records[0].ended = 0.0, 1.0
    assert str(explain_state(shown)).splitlines()[0] == line


def test_nothing_won_gives_the_reason_of_the_refusal() -> None:
    refusal = Decision("run-ahead", ("x",), False, "this process is busy")
    made = record(call(Outcome.DIRECT, waited=0.1), decisions=[refusal])
    assert str(explain_state(state(made))).splitlines()[0].endswith("; this process is busy")


def test_switched_off_comes_before_everything() -> None:
    made = called(graph(2, ordered=True), asked(0, 1.0), asked(1, 0.0))
    line = str(explain_state(state(alone(), made, switched_off="asked to"))).splitlines()[0]
    assert line.startswith("switched off: asked to; tried again in 60 s; calls run as in the")
    assert line.endswith("before that about 2.0 s -> 1.0 s a call (2.0x) over 1 call")
    off = replace(explain_state(state(made)), runs_ahead=False)
    assert str(off).startswith("switched off: Runtime(run_ahead=False); ")


def test_the_verdict_is_plain_data_too() -> None:
    made = called(graph(2, ordered=True), asked(0, 1.0), asked(1, 0.0))
    said = explain_state(state(alone(), made)).verdict.to_dict()
    assert (said["before"], said["after"], said["calls"]) == (2.0, 1.0, 1)
