import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from ayo_bridge.profile import (
    Curve,
    EngineProfile,
    LiveProfile,
    LiveProfiles,
    LLMProfile,
    ProfileStore,
)


@dataclass
class Call:
    engine: str = "bge"
    kind: str = "embedding"
    seconds: float = 0.1
    items: int = 1
    batch: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0


def served(prompt: int, completion: int) -> float:
    return 0.04 + 0.0002 * prompt + 0.02 * completion


def test_an_llm_is_learned_in_spite_of_contention() -> None:
    chance = random.Random(1)
    live = LiveProfile("llm")
    for _ in range(200):
        prompt, completion = chance.randint(50, 2000), chance.randint(1, 150)
        contention = chance.choice([1.0, 1.0, 1.0, 1.5, 3.0])
        live.observe_call(prompt, completion, served(prompt, completion) * contention)
    profile = live.profile()
    assert isinstance(profile, LLMProfile)
    assert profile.prefill_base == pytest.approx(0.04, abs=0.01)
    assert profile.prefill_per_token == pytest.approx(0.0002, rel=0.1)
    assert profile.decode_per_token == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    "sizes",
    [
        [(100, 20)] * 50,
        [(100 + i, 20) for i in range(50)],
        [(100, i) for i in range(50)],
        [(10 * i, i) for i in range(1, 50)],
    ],
)
def test_calls_too_alike_to_tell_prefill_from_decode_teach_nothing(
    sizes: list[tuple[int, int]],
) -> None:
    live = LiveProfile("llm")
    for prompt, completion in sizes:
        live.observe_call(prompt, completion, served(prompt, completion))
    assert live.profile() is None


def test_batches_are_learned_by_size() -> None:
    live = LiveProfile("embedding")
    for size in (1, 2, 4, 8):
        for slow in (1.0, 1.0, 5.0):
            live.observe_batch(size, 0.01 * max(size, 4) * slow)
    profile = live.profile()
    assert isinstance(profile, EngineProfile)
    assert profile.curve.seconds(1) == pytest.approx(0.04)
    assert profile.curve.seconds(8) == pytest.approx(0.08)
    assert profile.best_batch == 4


def test_a_few_observations_are_not_enough() -> None:
    live = LiveProfile("embedding")
    for _ in range(7):
        live.observe_batch(1, 0.1)
    assert live.profile() is None
    live.observe_batch(0, 0.1)
    live.observe_batch(1, 0.0)
    assert live.observations == 7


def test_observations_are_bounded() -> None:
    live = LiveProfile("embedding")
    for size in range(1, 5000):
        live.observe_batch(size, 0.001 * size)
    profile = live.profile()
    assert isinstance(profile, EngineProfile)
    assert len(profile.curve.points) < 30


def test_threads_may_observe_together() -> None:
    live = LiveProfile("embedding")

    def observe() -> None:
        for size in range(1, 501):
            live.observe_batch(size % 7 + 1, 0.1)
            live.profile()

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live.observations == 2000


def test_the_epoch_changes_only_when_a_profile_does() -> None:
    profiles = LiveProfiles()
    for _ in range(8):
        profiles.observe(Call())
    assert profiles.epoch == 1
    assert profiles.profiles()["bge"] == EngineProfile("embedding", Curve.of([(1, 0.1)]))
    before = profiles.profiles()
    for _ in range(300):
        profiles.observe(Call(seconds=0.101))
    assert profiles.epoch == 1
    for _ in range(600):
        profiles.observe(Call(seconds=0.5))
    assert profiles.epoch == 2
    assert before["bge"].curve.seconds(1) == 0.1  # type: ignore[union-attr]


def test_calls_that_share_a_batch_tell_what_the_whole_batch_takes() -> None:
    profiles = LiveProfiles()
    for batch in (1, 3):
        for _ in range(20):
            profiles.observe(Call(batch=batch))
    assert profiles.profiles()["bge"] == EngineProfile("embedding", Curve.of([(1, 0.1), (3, 0.1)]))


def test_llm_calls_are_told_by_kind() -> None:
    profiles = LiveProfiles()
    for prompt in range(100, 1000, 50):
        for completion in (1, 50):
            seconds = served(prompt, completion)
            profiles.observe(Call("m", "llm", seconds, 1, 4, prompt, completion))
    assert isinstance(profiles.profiles()["m"], LLMProfile)


def test_a_stored_profile_counts_until_traffic_has_shown_better(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    stored = EngineProfile("embedding", Curve.of([(1, 9.0)]), 4)
    store.save("bge", "local", stored)
    profiles = LiveProfiles(store)
    profiles.observe(Call())
    assert profiles.profiles()["bge"] == stored
    for _ in range(20):
        profiles.observe(Call())
    assert profiles.profiles()["bge"] != stored
    profiles.save()
    assert store.load("bge", "local") == profiles.profiles()["bge"]


def test_a_size_that_is_new_is_learned_without_delay() -> None:
    profiles = LiveProfiles()
    for _ in range(100):
        profiles.observe(Call())
    for _ in range(3):
        profiles.observe(Call(batch=4))
    assert profiles.profiles()["bge"].curve.points == ((1, 0.1), (4, 0.1))  # type: ignore[union-attr]


def test_answers_of_one_length_still_tell_prefilling_from_decoding() -> None:
    live = LiveProfile("llm")
    for prompt in range(100, 2100, 100):
        live.observe_call(prompt, 64, prompt * 0.001 + 64 * 0.01)
    profile = live.profile()
    assert isinstance(profile, LLMProfile)
    assert profile.prefill_per_token == pytest.approx(0.001)
    assert profile.decode_per_token == pytest.approx(0.01)


def best_batch(live: LiveProfile) -> int | None:
    profile = live.profile()
    assert isinstance(profile, EngineProfile)
    return profile.best_batch


def test_one_slow_batch_of_a_rare_size_changes_nothing() -> None:
    live = LiveProfile("embedding")
    for _ in range(10):
        for size in (1, 3, 4):
            live.observe_batch(size, 0.04)
    before = best_batch(live)
    live.observe_batch(2, 0.2)
    assert best_batch(live) == before
    for _ in range(3):  # Also once it is known to be slow: four take no less than two.
        live.observe_batch(2, 0.2)
    assert best_batch(live) == before


def test_what_was_slow_for_a_while_is_forgotten() -> None:
    live = LiveProfile("embedding")
    for _ in range(40):  # Somebody else has the cores: all that is more than one takes long.
        live.observe_batch(1, 0.01)
        live.observe_batch(2, 0.05)
        live.observe_batch(4, 0.2)
    assert best_batch(live) == 1
    for _ in range(300):  # b* is 1, so nothing else is seen for some time.
        live.observe_batch(1, 0.01)
    assert best_batch(live) is None  # Nothing is known of larger ones any more: they are tried.
    for _ in range(20):
        live.observe_batch(2, 0.011)
        live.observe_batch(4, 0.013)
    assert best_batch(live) is None or best_batch(live) != 1


@pytest.mark.parametrize("seed", range(5))
def test_a_noisy_curve_rises(seed: int) -> None:
    source = random.Random(seed)
    live = LiveProfile("embedding")
    for _ in range(200):
        size = source.choice((1, 2, 3, 4, 8, 16))
        live.observe_batch(size, (0.01 + 0.001 * size) * (1 + source.expovariate(2)))
    profile = live.profile()
    assert isinstance(profile, EngineProfile)
    seconds = [taken for _, taken in profile.curve.points]
    assert seconds == sorted(seconds)


def test_a_measured_best_batch_stands_until_a_larger_one_was_seen(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    curve = Curve.of([(1, 0.010), (2, 0.012), (4, 0.020), (8, 0.040)])
    store.save("bge", "local", EngineProfile("embedding", curve, best_batch=4))
    profiles = LiveProfiles(store)

    def seen(items: int, seconds: float) -> None:
        for _ in range(64):
            profiles.observe(Call(items=items, seconds=seconds))

    seen(1, 0.100)
    assert profiles.profiles().best_batch("bge") == 4
    for items in (2, 4, 8):
        seen(items, 0.100)
    assert profiles.profiles().best_batch("bge") is None
