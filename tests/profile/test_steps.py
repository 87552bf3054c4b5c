"""Costs of steps are found again from what they take."""

from __future__ import annotations

from pathlib import Path

import pytest

from ayo_bridge.profile import DecodePoint, LLMProfile, ProfileStore, StepCosts, fit_steps
from ayo_bridge.simulate import LLMCosts

PREFILL = [(n, 0.012 + 3e-4 * n + 2e-7 * n * n / 2) for n in (12, 50, 200, 800, 1600)]
DECODE = [
    DecodePoint(k, c, 0.007 + 0.0004 * (k - 1) + 1e-6 * k * c)
    for k, c in ((1, 40), (1, 800), (4, 40), (8, 40), (8, 800))
]


def test_costs_are_found_again() -> None:
    found = fit_steps(PREFILL, DECODE, kv_tokens=320, block=32)
    assert found.prefill_base == pytest.approx(0.012, rel=1e-3)
    assert found.prefill_per_token == pytest.approx(3e-4, rel=1e-3)
    assert found.prefill_per_pair == pytest.approx(2e-7, rel=1e-3)
    assert found.decode_base == pytest.approx(0.007, rel=1e-3)
    assert found.decode_per_sequence == pytest.approx(4e-4, rel=1e-3)
    assert found.decode_per_context == pytest.approx(1e-6, rel=1e-3)
    assert (found.kv_tokens, found.block) == (320, 32)


def test_what_falls_with_size_costs_nothing() -> None:
    falling = fit_steps([(1, 0.03), (100, 0.02), (1000, 0.02)], [DecodePoint(1, 9, 0.01)])
    assert falling.prefill_per_token == falling.prefill_per_pair == 0
    assert falling.prefill_base == pytest.approx(0.0218, abs=1e-3)
    with pytest.raises(ValueError, match="need points"):
        fit_steps([], DECODE)


def test_they_are_kept_with_the_profile_and_are_the_simulators(tmp_path: Path) -> None:
    steps = StepCosts(0.01, 1e-3, 1e-6, 0.02, 1e-3, 1e-6, 320, 32)
    profile = LLMProfile(0.02, 2e-3, 0.03, 512, steps)
    ProfileStore(tmp_path).save("llm:m", "local", profile)
    assert ProfileStore(tmp_path).load("llm:m", "local") == profile
    costs = LLMCosts.from_profile(profile, kv_tokens=320)
    assert costs.prefill([(100, 50)]) == pytest.approx(0.01 + 0.1 + 100 * 100 * 1e-6)
    assert costs.decode(3, 1000) == pytest.approx(0.02 + 2e-3 + 1e-3)
