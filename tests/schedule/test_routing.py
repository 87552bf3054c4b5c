"""Which replica a request goes to, on a virtual clock."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from ayo_bridge.schedule.delays import BESIDE, DECODE, PREFILL, Delays
from ayo_bridge.schedule.prefix_groups import PrefixGroups
from ayo_bridge.schedule.prefixes import (
    CHUNK,
    CHUNK_TOKENS,
    NOTHING,
    Prefixes,
    chain_of,
)
from ayo_bridge.schedule.routing import DOWN, Prompt, Router, Routing, Sent
from ayo_bridge.seam import Usage

HEAD = "You answer questions from notes. " * 16
LONG = 2000
"""Tokens of a prompt whose prefill is worth something."""


def prompt(*texts: str, output: int = 0, warm: bool = False) -> Prompt:
    text = "".join(texts)
    return Prompt(chain_of("model", text), len(text) / 4, output, warm)


def words(seed: object, characters: int = LONG * 4) -> str:
    chance = random.Random(str(seed))
    return "".join(chance.choices("abcdefgh ", k=characters))


def chosen(router: Router, asked: Prompt, now: float = 0.0) -> int:
    number = router.choose(asked, now)
    assert number is not None
    return number


@pytest.mark.parametrize("together", [1, 8])
def test_a_request_follows_its_warm_and_the_load_is_even(together: int) -> None:
    router, pairs, given = Router(4), 0, Counter[int]()
    together_now: list[Sent] = []
    for number in range(40):
        now = float(number)
        while len(together_now) >= together:
            sent = together_now.pop(0)
            router.ends(sent, now)
        warm = prompt(HEAD, words(number), warm=True)
        place = chosen(router, warm, now)
        router.ends(router.begins(place, warm, now), now + 0.3)
        real = prompt(HEAD, words(number), "and the question")
        followed = chosen(router, real, now + 0.3)
        together_now.append(router.begins(followed, real, now + 0.3))
        pairs += place == followed
        given[followed] += 1
    assert pairs == 40
    assert max(given.values()) <= 12
    assert min(given.values()) >= 8


def test_a_request_leaves_its_prefix_where_waiting_costs_more() -> None:
    router, asked = Router(2), prompt(words("it"), "now")
    router.ends(router.begins(0, prompt(words("it"), warm=True), 0.0), 0.2)
    assert chosen(router, asked, 1.0) == 0
    for number in range(8):
        router.begins(0, prompt(words(number)), 1.0)
    assert chosen(router, asked, 1.0) == 1


def test_leaves_of_a_tree_go_to_all_replicas() -> None:
    router, given = Router(4), Counter[int]()
    for number in range(8):
        leaf = prompt(HEAD, words(number))
        place = chosen(router, leaf)
        given[place] += 1
        router.begins(place, leaf, 0.0)
    assert set(given.values()) == {2}


def test_the_root_of_a_tree_goes_where_its_question_was_computed() -> None:
    router, turns = Router(8), Counter[int]()
    for query in range(12):
        now, question = 10.0 * query, words(("question", query), 400 * 4)
        leaves = set()
        for number in range(3):
            leaf = prompt(HEAD, question, words((query, number), 800 * 4))
            place = chosen(router, leaf, now)
            leaves.add(place)
            router.ends(router.begins(place, leaf, now), now + 1.0)
        root = prompt(HEAD, question, words((query, "answers")))
        place = chosen(router, root, now + 2.0)
        assert place in leaves
        router.ends(router.begins(place, root, now + 2.0), now + 3.0)
        turns[place] += 1
    assert len(turns) > 4, "what all queries begin with ties none of them to a replica"


def test_what_is_remembered_of_many_replicas_takes_so_much_memory_and_no_more() -> None:
    prefixes = Prefixes(1000)
    chance = random.Random(1)

    def chain(length: int) -> tuple[int, ...]:
        return tuple(chance.getrandbits(62) for _ in range(length))

    kept = [(number % 1000, chain(60)) for number in range(4000)]
    for replica, each in kept:
        prefixes.sent(each, replica)
    assert all(prefixes.at(each, replica).chunks == 60 for replica, each in kept)
    few = Prefixes(1)
    for _ in range(10_000):
        few.sent(chain(60), 0)
    assert len(few._runs) < 5_000, "some four million bytes"


def test_a_long_prompt_on_its_way_counts_more_than_many_short_ones() -> None:
    router = Router(2, Routing.LEAST_DELAY)
    router.begins(0, prompt(words("long", 100_000)), 0.0)
    router.begins(1, prompt("short"), 0.0)
    router.begins(1, prompt("short"), 0.0)
    assert chosen(router, prompt(words("it", 400))) == 1
    least = Router(2, Routing.LEAST_OUTSTANDING)
    least.begins(0, prompt(words("long", 100_000)), 0.0)
    least.begins(1, prompt("short"), 0.0)
    least.begins(1, prompt("short"), 0.0)
    assert chosen(least, prompt(words("it", 400))) == 0


def test_round_robin_goes_around_and_leaves_out_what_is_down() -> None:
    router = Router(3, Routing.ROUND_ROBIN)
    assert [chosen(router, prompt("a")) for _ in range(4)] == [0, 1, 2, 0]
    router.fails(1, 0.0)
    assert [chosen(router, prompt("a"), 1.0) for _ in range(3)] == [2, 0, 2]


def test_what_has_failed_is_left_out_until_it_answers_and_has_an_empty_cache_then() -> None:
    router, asked = Router(2), prompt(words("it"))
    router.ends(router.begins(0, asked, 0.0), 0.5)
    assert chosen(router, asked, 1.0) == 0
    router.fails(0, 1.0)
    assert router.is_down(0)
    assert chosen(router, asked, 1.0 + 0.9 * DOWN) == 1
    assert router.choose(asked, 1.0, tried=(1,)) is None
    assert router.is_up(0, 1.0 + 1.1 * DOWN)  # Somebody has to try.
    router.fails(0, 40.0)
    assert not router.is_up(0, 40.0 + 1.9 * DOWN)
    router.returns(0, 40.0)
    assert router.is_up(0, 40.0)
    router.ends(router.begins(1, asked, 41.0), 41.5)
    router.begins(0, prompt("another"), 41.5)
    assert chosen(router, asked, 42.0) == 1


def test_of_one_failure_many_requests_tell_and_of_another_one_it_is_left_out_for_longer() -> None:
    router, now = Router(2), 0.0
    for pause in (0.0, 1.0, 3.0):
        sent = [router.begins(0, prompt("short"), now) for _ in range(4)]
        for each in sent[:3]:
            router.drops(each, now)
            router.fails(0, now, each.began)
        router.returns(0, now + 1.0)
        router.fails(0, now + 1.0, sent[3].began)  # It had hung.
        assert not router.is_down(0)
        assert router.is_up(0, now + 1.0 + pause)
        assert not pause or not router.is_up(0, now + 0.9 + pause)
        assert router.choose(prompt("short"), now + 1.0, tried=(1,)) == 0  # Rather than none.
        now += 10.0
    router.ends(router.begins(0, prompt("short"), now), now)
    router.fails(0, now)
    router.returns(0, now)
    assert router.is_up(0, now)


def test_what_was_sent_before_a_failure_and_ends_well_says_nothing_of_it() -> None:
    router = Router(2)
    sent = [router.begins(0, prompt("short"), 0.0) for _ in range(2)]
    router.drops(sent[0], 1.0)
    router.fails(0, 1.0, sent[0].began)
    router.ends(sent[1], 2.0)
    assert router.is_down(0)
    assert not router.is_up(0, 2.0)
    router.returns(0, 3.0)
    assert router.is_up(0, 3.0)


def test_one_that_was_tried_though_it_had_failed_and_ends_well_is_up_at_once() -> None:
    router = Router(1)
    for _ in range(3):
        router.fails(0, 1.0)
        router.returns(0, 2.0)
    assert not router.is_up(0, 4.0)
    router.ends(router.begins(0, prompt("short"), 3.0), 4.0)
    assert router.is_up(0, 4.0)
    router.fails(0, 5.0)
    router.ends(router.begins(0, prompt("short"), 6.0), 7.0)
    assert router.is_up(0, 7.0)
    assert not router.is_down(0)


def silences(router: Router, now: float, seconds: float, count: int, *, others: bool) -> float:
    """Requests to replica 0 that are given up; the other one answers after each, or does not."""
    for _ in range(count):
        waiting = router.begins(0, Prompt(), now)
        now += seconds
        router.gives_up(waiting, now)
        if others:
            router.ends(router.begins(1, Prompt(), now), now + 1)
        now += 1
    return now


def test_one_that_takes_requests_and_answers_none_is_left_out_for_longer_each_time() -> None:
    router = Router(2, Routing.LEAST_OUTSTANDING)
    router.ends(router.begins(1, Prompt(), 0.0), 1.0)
    now = silences(router, 0.0, 5.0, 1, others=True)
    assert router.is_up(0, now)  # Once may happen to anybody.
    now = silences(router, now, 5.0, 1, others=True)
    assert not router.is_up(0, now)
    assert router.is_down(0)
    router.returns(0, now + 1)  # It says that it is well.
    assert router.is_up(0, now + 1)
    now = silences(router, now + 1, 5.0, 1, others=True)
    router.returns(0, now + 1)
    assert not router.is_up(0, now + 1)
    assert router.is_up(0, now + 2)
    router.ends(router.begins(0, Prompt(), now + 2), now + 3)
    assert router.is_up(0, silences(router, now + 3, 5.0, 1, others=True))


@pytest.mark.parametrize(
    ("seconds", "others"), [(1.5, True), (5.0, False)], ids=["impatient", "all-are-silent"]
)
def test_callers_that_give_up_do_not_blame_a_replica(seconds: float, others: bool) -> None:
    router = Router(2, Routing.LEAST_OUTSTANDING)
    router.ends(router.begins(1, Prompt(), 0.0), 1.0)
    assert router.is_up(0, silences(router, 2.0, seconds, 8, others=others))


def test_a_request_made_again_after_a_silence_does_not_follow_its_prefix_there() -> None:
    router, asked = Router(2), prompt(words("again"))
    router.ends(router.begins(1, prompt("short"), 0.0), 1.0)
    place = chosen(router, asked, 2.0)
    waiting = router.begins(place, asked, 2.0)
    router.gives_up(waiting, 12.0)
    assert chosen(router, asked, 12.0) != place


def test_callers_that_give_up_do_not_blame_a_replica_that_answers_others() -> None:
    router = Router(2, Routing.LEAST_OUTSTANDING)
    for now in range(0, 80, 10):
        waiting = router.begins(0, Prompt(), now)
        for number in (0, 1):
            router.ends(router.begins(number, Prompt(), now + 1), now + 2)
        router.gives_up(waiting, now + 9)
    assert router.is_up(0, 80.0)


def test_a_replica_that_rests_takes_requests_again_with_all_that_it_has() -> None:
    router, asked = Router(2), prompt(words("it"))
    router.ends(router.begins(0, asked, 0.0), 0.5)
    router.rests(0, 1.0, 5.0)
    assert chosen(router, asked, 5.9) == 1
    assert not router.is_down(0)
    assert chosen(router, asked, 6.0) == 0


def test_how_much_a_replica_holds_is_learned_from_its_replies() -> None:
    router, old = Router(2), prompt(words("old"))
    usage = Usage(LONG, 1, cached_tokens=16)  # It tells what it has found.
    router.ends(router.begins(0, old, 0.0), 0.1, usage)
    for number in range(20):
        router.ends(router.begins(0, prompt(words(number)), 1.0), 1.1, usage)
    assert chosen(router, old, 2.0) == 0
    router.ends(router.begins(0, old, 2.0), 2.1, usage)
    for number in range(20, 40):
        router.ends(router.begins(0, prompt(words(number)), 3.0), 3.1, usage)
    assert chosen(router, old, 4.0) == 1


def test_a_prompt_that_is_still_being_computed_is_not_believed_to_be_gone() -> None:
    prefixes, begun = Prefixes(1), chain_of("", words("begun"))
    for number in range(20):
        prefixes.sent(chain_of("", words(number)), 0)
    prefixes.sent(begun, 0)
    prefixes.learn(0, prefixes.at(begun, 0), 0)
    assert prefixes.at(chain_of("", words(0)), 0).chunks


def test_what_many_prompts_begin_with_counts_little_anywhere() -> None:
    prefixes, head = Prefixes(2), words("head", 64 * CHUNK)
    for number in range(9):
        prefixes.sent(chain_of("", head + words(number, 64 * CHUNK)), 0)
    known = prefixes.known(chain_of("", head + words("new", 64 * CHUNK)))
    here, there = (known.get(replica, NOTHING) for replica in range(2))
    assert here.chunks == 64
    assert here.worth < 8
    assert there.chunks == there.worth == 0
    again = prefixes.known(chain_of("", head + words(8, 64 * CHUNK)))[0]
    assert again.worth > 64


def test_a_group_is_what_goes_on_from_a_prompt_and_not_what_branches_off() -> None:
    groups = PrefixGroups()

    def of(*texts: str, warm: bool = False) -> int:
        return groups.group(chain_of("", "".join(texts)), warm=warm)

    first = of(HEAD, words(1), warm=True)
    assert of(HEAD, words(1), words("question")) == first
    assert of(HEAD, words(1), words("another")) == first  # It was prefilled for both.
    second = of(HEAD, words(2))
    assert second != first
    assert of(HEAD, words(2), words("answer"), words("more")) == second
    assert of(HEAD, words(3)) not in (first, second)
    assert len({of(HEAD, words(number)) for number in range(4, 44)}) == 40


def test_delays_are_learned_from_replies_in_one_piece_and_streamed() -> None:
    delays, chance = Delays(), random.Random(1)
    prefill, decode, beside = 30 * PREFILL, DECODE / 4, 5 * BESIDE
    for number in range(200):
        fresh, output, others = chance.uniform(50, 4000), chance.randint(4, 200), number % 8
        noise = chance.uniform(0.95, 1.1)
        first, rest = fresh * prefill * noise, output * (decode + beside * others) * noise
        if number % 2:
            delays.whole(fresh, output, others, first + rest)
        else:
            delays.began(fresh, first)
            delays.decoded(output, others, rest)
        delays.wrote(output)
    assert delays.prefill == pytest.approx(prefill, rel=0.1)
    assert delays.decode == pytest.approx(decode, rel=0.25)
    assert delays.beside == pytest.approx(beside, rel=0.25)
    assert 50 < delays.output < 150


def test_a_chunk_of_text_is_about_as_many_tokens_as_one_of_ids() -> None:
    assert len(chain_of("", "x" * 1000)) == 1000 // CHUNK
    assert len(chain_of("", tuple(range(250)), int(CHUNK_TOKENS))) == 250 // int(CHUNK_TOKENS)
