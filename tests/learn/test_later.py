"""Sites that few calls come to are learned while the lesson of the others is in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ayo_bridge.learn.live.later import (
    MOST_KEPT,
    MOST_SIZE,
    PATIENCE,
    Later,
    learn_again,
    unknown_sites,
)
from ayo_bridge.learn.live.lesson import Lesson, learn
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.trace import Trace, TracedCall, trace_size
from tests.learn.apps import Recorder, learned, question, record


def usual(run: Recorder, query: str) -> None:
    answer = run.llm("answer", f"Answer: {query}")
    run.llm("check", f"Check the question {query}")
    if query.startswith("Really"):
        run.llm("again", f"Once more: {query}")
        run.llm("weigh", f"Weigh {answer}")


def rare(number: int) -> Trace:
    return record(usual, f"Really: {question(number)}")


def common(number: int) -> Trace:
    return record(usual, question(number))


def by_calls(traces: Sequence[Trace]) -> Lesson:
    return learn(traces, 0.0)


def _in_use() -> tuple[Later, list[Trace]]:
    later, traces = Later(), [common(number) for number in range(4)]
    later.begin(traces)
    return later, traces


def test_nothing_is_traced_until_a_call_comes_to_an_unknown_site() -> None:
    later, _ = _in_use()
    inputs = dict(rare(9).inputs)
    assert not later.wanted(inputs)
    later.met_unknown()
    assert later.wanted(inputs)
    assert not later.wanted({})


def test_the_hope_for_another_such_call_ends() -> None:
    later, _ = _in_use()
    later.met_unknown()
    assert sum(later.wanted({"query": str(number)}) for number in range(100)) == PATIENCE


def test_the_branch_is_learned_from_four_calls_and_the_rest_stays_learned() -> None:
    later, traces = _in_use()
    template = learned(usual)
    assert unknown_sites(template, rare(9)) == {"again", "weigh"}
    assert unknown_sites(template, common(9)) == frozenset()
    assert later.take(common(9), template) is None
    for number in range(3):
        assert later.take(rare(number), template) is None
    again = later.take(rare(3), template)
    assert again is not None
    enough = again.traces
    assert again.latest == []
    assert len(enough) == MOST_KEPT == 2 * len(traces)
    lesson = learn(enough)
    for trace in (rare(20), common(21)):
        assert not replay(lesson.template, trace).false
    assert replay(lesson.template, rare(20)).exact == {("check", 0), ("weigh", 0)}


def test_calls_that_came_to_the_branch_before_count_too() -> None:
    later = Later()
    traces = [*(common(number) for number in range(3)), rare(3), rare(4)]
    later.begin(traces)
    template = learn(traces).template
    assert "weigh" in unknown_sites(template, rare(9))
    assert later.take(rare(5), template) is None
    again = later.take(rare(6), template)
    assert again is not None
    assert ("weigh", 0) in replay(learn(again.traces).template, rare(20)).exact


def test_where_all_calls_since_come_more_often_to_a_site_they_are_learned_from_alone() -> None:
    def changed(run: Recorder, query: str) -> None:
        usual(run, query)
        run.llm("answer", f"Answer for a child: {query}")

    later, _ = _in_use()
    template = learned(usual)
    more = [record(changed, question(number)) for number in range(5, 9)]
    again = [later.take(trace, template) for trace in more][-1]
    assert again is not None
    assert again.latest == more
    lesson, traces = learn_again(again, template, by_calls)
    assert lesson is not None
    assert traces == more
    assert ("answer", 1) in replay(lesson.template, record(changed, question(20))).exact
    assert learn_again(again, lesson.template, by_calls)[0] is None


def test_a_call_is_traced_after_one_that_asked_something_else_and_no_longer() -> None:
    later, _ = _in_use()
    inputs = dict(rare(9).inputs)
    later.doubted(True)
    assert later.wanted(inputs)
    later.doubted(False)
    assert not later.wanted(inputs)


def test_what_took_no_time_because_it_ran_ahead_is_as_long_as_before() -> None:
    later, _ = _in_use()
    template = learned(usual)
    ready = Trace(rare(0).inputs, tuple(_at_once(rare(0))), 0.0)
    later.take(ready, template)
    for number in range(1, 4):
        again = later.take(rare(number), template)
    assert again is not None
    first = next(trace for trace in again.traces if trace.inputs == ready.inputs)
    assert [call.seconds for call in first.calls] == [0.1, 0.1, 0.0, 0.0]


def _at_once(trace: Trace) -> list[TracedCall]:
    return [replace(call, seconds=0.0) for call in trace.calls]


def test_at_most_a_million_characters_are_kept() -> None:
    def long(run: Recorder, query: str) -> None:
        run.llm("answer", query + "x" * 300_000)
        if query.startswith("Really"):
            run.llm("again", query)

    later = Later()
    traces = [record(long, question(number)) for number in range(4)]
    assert sum(map(trace_size, traces)) > MOST_SIZE
    later.begin(traces)
    template = learned(long)
    for number in range(4):
        assert later.take(record(long, f"Really: {number}"), template) is None
