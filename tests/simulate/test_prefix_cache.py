"""Prefixes found again: exactly the full blocks that are equal, and only while they last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.simulate import Batching, LLMRequest, SimulatedLLM
from ayo_bridge.simulate.kv_cache import KVCache, Lease
from ayo_bridge.simulate.requests import Prompt, block_hashes, prompt_tokens
from tests.simulate.driving import COSTS, Outcome, drive, llm_calls


def run(*requests: tuple[float, LLMRequest], caching: bool = True) -> Outcome:
    batching = Batching(prefix_cache=caching)
    return drive(
        lambda busy: SimulatedLLM("llm", COSTS, batching=batching, trace=busy.append),
        llm_calls(requests),
    )


def prefilled(outcome: Outcome) -> list[int]:
    return [busy.items for busy in outcome.busy if busy.items]


DOCUMENT = ("document", 200)


def test_a_hit_saves_the_time_of_the_cached_blocks_and_nothing_else() -> None:
    first, second = LLMRequest((DOCUMENT,)), LLMRequest((DOCUMENT, ("question", 50)))
    outcome = run((0.0, first), (1.0, second))
    # 200 tokens fill 12 blocks of 16.
    assert prefilled(outcome) == [200, 250 - 192]
    saved = 12 * 16 * COSTS.prefill_per_token
    assert outcome.ended[1] - 1.0 == pytest.approx(0.010 + 0.250 - saved, abs=1e-12)
    assert prefilled(run((0.0, first), (1.0, second), caching=False)) == [200, 250]


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    request = LLMRequest((("document", 160),))
    assert prefilled(run((0.0, request), (1.0, request))) == [160, 16]


def test_what_follows_a_difference_is_not_found() -> None:
    one = LLMRequest((("a", 100), ("same", 100)))
    other = LLMRequest((("b", 100), ("same", 100)))
    assert prefilled(run((0.0, one), (1.0, other))) == [200, 200]


def test_a_shorter_stretch_of_a_segment_is_its_beginning() -> None:
    long, short = LLMRequest((("a", 200),)), LLMRequest((("a", 100), ("b", 100)))
    assert prefilled(run((0.0, long), (1.0, short))) == [200, 200 - 96]


def test_an_answer_is_found_by_the_prompt_that_continues_it() -> None:
    turn = LLMRequest((("system", 100),), 61, output="answer")
    following = LLMRequest((("system", 100), ("answer", 61), ("user", 20)))
    # 160 of the 161 tokens are in the cache: the last one decoded never got there.
    assert prefilled(run((0.0, turn), (5.0, following))) == [100, 21]


def test_a_block_is_found_once_it_has_been_computed() -> None:
    request = LLMRequest((DOCUMENT,))
    outcome = run((0.0, request), (0.0, request), (0.3, request), (0.3, request))
    assert prefilled(outcome) == [400, 2 * 8]
    two = run((0.0, request), (0.1, request))
    assert prefilled(two) == [200, 8]


def test_the_least_recently_used_prefix_makes_room() -> None:
    a, b, c = (LLMRequest(((name, 640),)) for name in "abc")
    # 1600 tokens of room: c needs 40 of 100 blocks, and b was used last.
    outcome = run((0.0, a), (1.0, b), (2.0, a), (3.0, b), (4.0, c), (5.0, b), (6.0, a))
    assert prefilled(outcome)[:4] == [640, 640, 16, 16]
    assert prefilled(outcome)[4:6] == [640, 16]
    # Of a, its last 20 blocks went.
    assert prefilled(outcome)[6] == 640 - 20 * 16


def test_held_blocks_are_never_evicted() -> None:
    runs = LLMRequest((("a", 800),), 200)
    others = [(1.0 + n, LLMRequest(((f"o{n}", 560),))) for n in range(3)]
    again = LLMRequest((("a", 800), ("more", 16)))
    assert prefilled(run((0.0, runs), *others, (4.0, again)))[-1] == 16


prompts = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40)), min_size=1, max_size=4
).map(tuple)


def tokens(prompt: Prompt) -> list[tuple[object, int]]:
    return [(segment, at) for segment, count in prompt for at in range(count)]


@given(prompts, prompts)
def test_hashes_are_equal_just_as_far_as_the_tokens(one: Prompt, other: Prompt) -> None:
    hashes = block_hashes(one, 16), block_hashes(other, 16)
    assert [len(h) for h in hashes] == [prompt_tokens(p) // 16 for p in (one, other)]
    for count in range(min(map(len, hashes)) + 1):
        equal = tokens(one)[: count * 16] == tokens(other)[: count * 16]
        assert (hashes[0][:count] == hashes[1][:count]) == equal


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.booleans()), max_size=40))
def test_blocks_add_up_whatever_happens(steps: list[tuple[int, int, bool]]) -> None:
    """Prompts are numbered; a lease either takes its prompt's blocks, or the oldest is released."""
    cache = KVCache(160, 16)
    held: list[tuple[Lease, int]] = []
    for number, length, release in steps:
        if release and held:
            cache.release(held.pop(0)[0])
        else:
            hashes = block_hashes(((number, length * 16),), 16)
            found = cache.hits(hashes)
            lease = cache.lease(hashes[:found], length - found)
            if lease is None:
                assert length - found > cache.available - sum(h in cache._idle for h in hashes)
                continue
            for block_hash in hashes[found:]:
                cache.name(lease, block_hash)
            assert len(lease.shared) + lease.private == length
            held.append((lease, length))
        assert cache._private + len(cache._holders) <= cache.blocks
        assert 0 <= cache.available <= cache.blocks
        distinct = {h for lease, _ in held for h in lease.shared}
        assert cache.held == len(distinct) + sum(lease.private for lease, _ in held)
    for lease, _ in held:
        cache.release(lease)
    assert cache.held == 0
