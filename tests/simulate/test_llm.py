"""A simulated LLM in virtual time: steps, batching, priorities, aborts, instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayo_bridge.schedule import LoopPlacement
from ayo_bridge.seam import AsyncEngine, Limits
from ayo_bridge.simulate import (
    Batching,
    Busy,
    KVCapacityError,
    LLMRequest,
    Routing,
    SimulatedLLM,
    fewest_tokens,
    least_delay,
    load_profiles,
    run_virtual,
)
from tests.simulate.driving import COSTS, Outcome, drive, llm_calls

PUBLISHED = load_profiles().llms["llama-2-7b@1x3090"]


def prompt(name: str, tokens: int, decoded: int = 1, **options: object) -> LLMRequest:
    return LLMRequest(((name, tokens),), decoded, **options)  # type: ignore[arg-type]


def small(**options: object) -> Callable[[list[Busy]], SimulatedLLM]:
    batching = Batching(**options)  # type: ignore[arg-type]
    return lambda busy: SimulatedLLM("llm", COSTS, batching=batching, trace=busy.append)


def run(*requests: tuple[float, LLMRequest], **options: object) -> Outcome:
    return drive(small(**options), llm_calls(requests))


def test_a_prefill_takes_what_the_published_fit_says() -> None:
    outcome = drive(
        lambda busy: SimulatedLLM("llm", PUBLISHED), llm_calls([(0.0, prompt("p", 1000))])
    )
    fit = 38.1 + 0.2106 * 1000 + 9.68e-6 * 1000 * (0 + 1000 / 2)
    assert outcome.ended == [pytest.approx(fit / 1e3, abs=1e-12)]


@pytest.mark.parametrize(
    ("early", "late", "early_ms", "late_ms"),
    [
        (1000, 0, 260.36, None),
        (1700, 0, 414.09, None),
        (3000, 0, 720.15, None),
        (200, 800, 76.03, 215.89),
        (850, 850, 217.67, 222.66),
        (2500, 500, 582.95, 159.65),
    ],
)
def test_table_3_within_6_percent(
    early: int, late: int, early_ms: float, late_ms: float | None
) -> None:
    requests = [(0.0, prompt("early", early))]
    if late_ms is not None:
        requests.append((10.0, LLMRequest((("early", early), ("late", late)))))
    outcome = drive(lambda busy: SimulatedLLM("llm", PUBLISHED), llm_calls(requests))
    assert outcome.ended[0] * 1e3 == pytest.approx(early_ms, rel=0.06)
    if late_ms is not None:
        assert (outcome.ended[1] - 10.0) * 1e3 == pytest.approx(late_ms, rel=0.06)


def test_eight_sequences_decode_together_at_little_more_than_the_price_of_one() -> None:
    outcome = run(*((0.0, prompt(f"p{n}", 10, 5)) for n in range(8)))
    # One prefill gives the first token of each; four more steps follow.
    assert outcome.ended == [pytest.approx(0.010 + 8 * 0.010 + 4 * (0.020 + 7 * 0.001))] * 8
    assert [(b.items, b.decodes, b.steps) for b in outcome.busy] == [(80, 0, 1), (0, 8, 4)]


def test_who_arrives_during_a_row_of_steps_waits_for_the_one_under_way() -> None:
    outcome = run((0.0, prompt("a", 10, 11)), (0.075, prompt("b", 10, 2)))
    # a: prefill until 0.020, then steps of 20 ms; b comes in the third, which ends at 0.080.
    mixed = 0.010 + 0.010 + (0.001 + 0.001)
    assert [b.steps for b in outcome.busy] == [1, 3, 1, 1, 5]
    assert outcome.ended[1] == pytest.approx(0.080 + mixed + 0.021)
    assert outcome.ended[0] == pytest.approx(0.080 + mixed + 0.021 + 5 * 0.020)


def test_an_arrival_at_the_very_end_of_a_step_is_in_time_for_the_next() -> None:
    outcome = run((0.0, prompt("a", 10, 11)), (0.060, prompt("b", 10)))
    assert [b.steps for b in outcome.busy] == [1, 2, 1, 7]
    assert outcome.ended[1] == pytest.approx(0.060 + 0.022)


def test_rows_of_steps_end_as_single_steps_would() -> None:
    """Waking the instance at every token must change no time."""
    arrivals = [(0.013 * n, ((f"p{n}", 10 + 7 * n),), 3 + 5 * n % 17) for n in range(12)]
    in_rows = run(*((at, LLMRequest(p, k)) for at, p, k in arrivals))
    one_by_one = run(*((at, LLMRequest(p, k, marks=tuple(range(1, k)))) for at, p, k in arrivals))
    assert in_rows.ended == pytest.approx(one_by_one.ended, abs=1e-9)
    assert len(in_rows.busy) < len(one_by_one.busy)


def test_chunks_keep_to_the_budget_of_a_step() -> None:
    outcome = run((0.0, prompt("a", 250)), step_tokens=100)
    assert [b.items for b in outcome.busy] == [100, 100, 50]
    assert outcome.ended == [pytest.approx(3 * 0.010 + 0.250)]


def test_decodes_come_first_in_the_budget() -> None:
    outcome = run((0.0, prompt("a", 10, 9)), (0.030, prompt("b", 250)), step_tokens=100)
    assert [(b.items, b.decodes) for b in outcome.busy if b.items] == [
        (10, 0),
        (99, 1),
        (99, 1),
        (52, 1),
    ]


def test_unchunked_prompts_run_whole_and_hold_up_decodes() -> None:
    requests = [(0.0, prompt("a", 10, 3)), (0.030, prompt("b", 250)), (0.030, prompt("c", 10))]
    outcome = run(*requests, step_tokens=100, chunked=False)
    assert [(b.items, b.decodes) for b in outcome.busy] == [
        (10, 0),
        (0, 1),
        (250, 0),
        (10, 0),
        (0, 1),
    ]
    assert outcome.ended[0] == pytest.approx(0.020 + 0.020 + 0.260 + 0.020 + 0.020)


def test_marks_are_told_at_their_token() -> None:
    told: list[tuple[int, int]] = []
    steps: list[Busy] = []
    request = prompt("a", 10, 10, marks=(1, 4, 10), on_mark=lambda i: told.append((i, len(steps))))

    def traced(busy: list[Busy]) -> SimulatedLLM:
        return SimulatedLLM("llm", COSTS, trace=steps.append)

    drive(traced, llm_calls([(0.0, request)]))
    assert told == [(0, 1), (1, 2), (2, 3)]
    assert [step.steps for step in steps] == [1, 3, 6]


@pytest.mark.parametrize(
    ("tokens", "expected"), [(6, ["a", "ab", "abc"]), (2, ["ab", "abc"]), (1, ["abc"])]
)
def test_a_text_is_told_as_it_grows(tokens: int, expected: list[str]) -> None:
    told: list[str] = []
    request = LLMRequest.of_text([("question", 0)], tokens, "abc", on_text=told.append)
    outcome = run((0.0, request))
    assert told == expected
    assert outcome.result == ["abc"]


def test_urgent_requests_go_before_those_that_wait_and_warms_after_them() -> None:
    requests = [
        (0.0, prompt("running", 800)),
        (0.1, prompt("warm", 800)),
        (0.2, prompt("later", 800, priority=5)),
        (0.3, prompt("urgent", 800)),
    ]
    outcome = drive(small(step_tokens=800), llm_calls(requests, warm=[1]))
    assert sorted(range(4), key=outcome.ended.__getitem__) == [0, 3, 2, 1]


def test_a_full_cache_makes_requests_wait_in_order() -> None:
    requests = [
        (0.0, prompt("a", 800, 3)),
        (0.0, prompt("b", 700, 9)),
        (0.0, prompt("large", 800)),
        (0.0, prompt("small", 16)),
    ]
    outcome = run(*requests)
    # 1600 tokens of room: large waits for a to end, and small does not overtake it.
    assert outcome.busy[0].items == 1500
    assert [b.items for b in outcome.busy if b.items] == [1500, 816]
    a_ends = outcome.ended[0]
    assert a_ends == pytest.approx(1.510 + 2 * 0.021)
    assert outcome.ended[2] == outcome.ended[3] == pytest.approx(a_ends + 0.010 + 0.816 + 0.002)


def test_a_request_larger_than_the_cache_is_an_error_that_says_so() -> None:
    outcome = run((0.0, prompt("a", 1600, 2)))
    assert isinstance(outcome.result[0], KVCapacityError)
    assert "1601 tokens needs 101 KV blocks and an instance has 100" in str(outcome.result[0])


def test_aborting_a_running_call_frees_its_blocks_for_the_next() -> None:
    requests = [(0.0, prompt("a", 1000, 500)), (0.1, prompt("b", 1000))]
    outcome = drive(small(), llm_calls(requests), aborts=[(1.039, 0)])
    assert outcome.result[0] == "cancelled"
    assert outcome.ended[0] == pytest.approx(1.039)
    # The decode step that was under way ends at 1.050.
    assert outcome.ended[1] == pytest.approx(1.050 + 1.010)


def test_aborting_a_waiting_call_lets_those_behind_it_in() -> None:
    requests = [
        (0.0, prompt("a", 1000, 100)),
        (0.1, prompt("b", 1000)),
        (0.2, prompt("c", 100)),
    ]
    outcome = drive(small(), llm_calls(requests), aborts=[(1.055, 1)])
    assert outcome.result[1] == "cancelled"
    assert outcome.ended[2] == pytest.approx(1.070 + 0.112)


def test_all_calls_of_a_step_may_be_aborted() -> None:
    outcome = drive(small(), llm_calls([(0.0, prompt("a", 100, 5))]), aborts=[(0.05, 0)])
    assert outcome.result == ["cancelled"]


def test_a_failing_call_fails_alone() -> None:
    outcome = run((0.0, prompt("a", 10, result=ValueError("no"))), (0.0, prompt("b", 10, result=7)))
    assert isinstance(outcome.result[0], ValueError)
    assert outcome.result[1] == 7


def test_calls_spread_over_instances_by_outstanding_tokens() -> None:
    def two(busy: list[Busy]) -> SimulatedLLM:
        return SimulatedLLM("llm", COSTS, instances=2, trace=busy.append)

    sizes = [500, 100, 100, 100, 300]
    outcome = drive(two, llm_calls([(0.0, prompt(f"p{s}{n}", s)) for n, s in enumerate(sizes)]))
    assert sorted((b.instance, b.items) for b in outcome.busy) == [(0, 500), (1, 600)]


def test_calls_go_where_their_prefix_is_or_will_be() -> None:
    def two(busy: list[Busy]) -> SimulatedLLM:
        return SimulatedLLM("llm", COSTS, instances=2, trace=busy.append)

    requests = [
        (0.0, prompt("other", 300)),
        (0.0, prompt("doc", 320)),
        (0.0, LLMRequest((("doc", 320), ("q", 10)))),
        (5.0, LLMRequest((("doc", 320), ("r", 10)))),
    ]
    outcome = drive(two, llm_calls(requests))
    assert [(b.instance, b.items) for b in outcome.busy if b.start >= 5.0] == [(1, 10)]
    assert {b.instance: b.items for b in outcome.busy if b.start < 0.1} == {0: 300, 1: 650}


@pytest.mark.parametrize("routing", [fewest_tokens, least_delay])
def test_a_prompt_goes_where_it_holds_up_the_fewest(routing: Routing) -> None:
    """Three short sequences decode on one instance, a long one on the other."""

    def two(busy: list[Busy]) -> SimulatedLLM:
        return SimulatedLLM("llm", COSTS, instances=2, routing=routing, trace=busy.append)

    long, late = LLMRequest((("a", 400),), 100), LLMRequest((("late", 20),))
    short = [LLMRequest(((name, 50),), 100) for name in "bcd"]
    outcome = drive(two, llm_calls([(0.0, long), *((0.5, each) for each in short), (1.0, late)]))
    (prefilled,) = (b for b in outcome.busy if b.items == 20)
    assert prefilled.instance == (1 if routing is fewest_tokens else 0)


def test_of_two_instances_alike_a_prompt_goes_where_less_is_to_be_prefilled() -> None:
    def two(busy: list[Busy]) -> SimulatedLLM:
        return SimulatedLLM("llm", COSTS, instances=2, routing=least_delay, trace=busy.append)

    sizes = [500, 100, 100, 100, 300]
    outcome = drive(two, llm_calls([(0.0, prompt(f"p{s}{n}", s)) for n, s in enumerate(sizes)]))
    assert sorted((b.instance, b.items) for b in outcome.busy) == [(0, 500), (1, 600)]


def test_batches_of_the_scheduler_run_to_completion_where_they_are_wanted() -> None:
    """The paper's token size of 1024: two prefills of 512 at a time, at Fig. 7's cost."""
    limits = Limits(max_items=1024)
    toy = load_profiles().llms["fig7"]
    maker = SimulatedLLM("llm", toy, limits=limits)
    outcome = drive(
        lambda busy: SimulatedLLM("llm", toy, limits=limits, trace=busy.append),
        [(0.1 * n, maker.call(prompt(f"p{n}", 512), key=n)) for n in range(4)],
    )
    assert outcome.ended == pytest.approx([0.5, 1.3, 1.3, 1.8])


def test_a_batch_that_runs_to_completion_stays_on_one_instance() -> None:
    limits = Limits(instances=2, max_items=300)
    maker = SimulatedLLM("llm", COSTS, instances=2, limits=limits)
    outcome = drive(
        lambda busy: SimulatedLLM("llm", COSTS, instances=2, limits=limits, trace=busy.append),
        [(0.0, maker.call(prompt(f"p{n}", 100), key=n)) for n in range(5)],
    )
    # Two run at once, each alone; the other three share the batch that forms next.
    assert [(b.instance, b.items) for b in outcome.busy] == [(0, 100), (1, 100), (0, 300)]


requests = st.tuples(
    st.integers(0, 20),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 300),
    st.integers(1, 300),
    st.integers(1, 40),
    st.one_of(st.none(), st.integers(1, 60)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests, min_size=1, max_size=12), st.booleans(), st.integers(1, 2))
def test_everything_ends_and_nothing_is_held_afterwards(
    drawn: list[tuple[int, str, int, int, int, int | None]], chunked: bool, instances: int
) -> None:
    """Of random crowds; the driver checks that queues and caches are empty in the end."""
    calls, aborts = [], []
    for place, (at, segment, shared, own, decoded, abort) in enumerate(drawn):
        parts = ((segment, shared), (place, own))
        calls.append((at / 10, LLMRequest(parts, decoded, result=place, marks=(1,))))
        if abort is not None:
            aborts.append((at / 10 + abort / 50, place))
    batching = Batching(step_tokens=256, max_sequences=4, chunked=chunked)
    engines: list[SimulatedLLM] = []

    def make(busy: list[Busy]) -> SimulatedLLM:
        engines.append(
            SimulatedLLM("llm", COSTS, instances=instances, batching=batching, trace=busy.append)
        )
        return engines[-1]

    outcome = drive(make, llm_calls(calls), aborts=aborts)
    aborted = {place for _, place in aborts}
    for place, result in enumerate(outcome.result):
        assert result == place or (place in aborted and result == "cancelled")
    if not aborts:
        prompts = sum(shared + own for _, _, shared, own, _, _ in drawn)
        cached = sum(instance.cached_tokens for instance in engines[-1].instances)
        assert sum(busy.items for busy in outcome.busy) == prompts - cached
        for busy in outcome.busy:
            assert busy.items + busy.decodes <= 256 or (not chunked and busy.calls == 1)


def test_it_is_an_async_engine_like_any_other() -> None:
    async def main() -> tuple[object, float]:
        engine = SimulatedLLM("llm", COSTS)
        assert isinstance(engine, AsyncEngine)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[object] = loop.create_future()
        call = engine.call(prompt("a", 90, result="text"))
        LoopPlacement(loop).start(
            engine, [call], lambda results: ended.set_result(results[0]), lambda abort: None
        )
        result = await ended
        slow = asyncio.create_task(engine.serve(engine.call(prompt("b", 90, 1000))))
        await asyncio.sleep(1.0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert engine.instances[0].kv.held == 0
        return result, loop.time()

    result, ended = run_virtual(main())
    assert result == "text"
    assert ended == pytest.approx(1.1)


def test_communication_takes_its_time_both_ways() -> None:
    outcome = drive(small(), llm_calls([(0.0, prompt("a", 90))]), delay=0.004)
    assert outcome.ended == [pytest.approx(0.004 + 0.100 + 0.004)]
    assert outcome.busy[0].start == pytest.approx(0.004)


def test_a_call_aborted_on_its_way_never_reaches_the_engine() -> None:
    outcome = drive(small(), llm_calls([(0.0, prompt("a", 90))]), delay=0.5, aborts=[(0.1, 0)])
    assert outcome.result == ["cancelled"]
    assert outcome.busy == []
