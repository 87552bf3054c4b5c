"""The committed figures, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ayo_bridge.profile import LLMProfile
from ayo_bridge.simulate import LLMCosts, load_profiles

PROFILES = load_profiles()
BASE = PROFILES.llms["llama-2-7b@1x3090"]


def test_every_entry_names_its_source() -> None:
    assert set(PROFILES.sources) == {*PROFILES.llms, *PROFILES.batches}
    assert all(PROFILES.sources.values())


def test_only_what_was_published_is_not_marked_as_scaled() -> None:
    measured = {name for name, costs in PROFILES.llms.items() if not costs.scaled}
    assert measured == {"llama-2-7b@1x3090", "fig7"}
    assert {"llama-2-13b@2x3090", "llama-30b@2xa800"} <= PROFILES.llms.keys()


def test_the_published_model() -> None:
    assert BASE.kv_tokens == 16704
    assert BASE.decode(1) == 0.020
    # Nearly flat: eight sequences cost a fifth more than one.
    assert BASE.decode(8) == pytest.approx(0.0239, abs=1e-4)


def test_the_scaling_rule_by_hand_for_13b_on_two_devices() -> None:
    scaled = PROFILES.llms["llama-2-13b@2x3090"]
    reading = 13.016 / 6.738 / (2 * 0.85)
    assert scaled.decode_base == pytest.approx(0.020 * reading)
    assert scaled.prefill_base == pytest.approx(0.0381 * reading)
    assert scaled.prefill_per_token == pytest.approx(0.2106e-3 * reading)
    assert scaled.prefill_per_pair == pytest.approx(9.68e-9 * 40 * 5120 / 32 / 4096 / 1.7)
    assert scaled.kv_tokens == 22496


def test_a_current_model_on_a_current_gpu() -> None:
    scaled = PROFILES.llms["llama-3.1-8b@1xh100"]
    assert scaled.decode_base == pytest.approx(0.020 * (8.03 / 3350) / (6.738 / 936))
    assert scaled.prefill([(1000, 0)]) == pytest.approx(0.031, abs=0.001)


def test_fig_7s_engine() -> None:
    toy = PROFILES.llms["fig7"]
    assert toy.prefill([(512, 0)]) == pytest.approx(0.5)
    assert toy.prefill([(512, 0), (512, 0)]) == pytest.approx(0.8)


def test_batch_engines() -> None:
    batches = PROFILES.batches
    assert batches["bge-large-en-v1.5@1x3090"].best_batch == 128
    assert batches["bge-reranker-large@1x3090"].curve.seconds(60) == 0.116
    assert batches["pgvector.insert"].curve.seconds(666) == 0.348
    assert batches["pgvector.search"].curve.seconds(3) == pytest.approx(0.0078)


def test_the_line_that_passes_estimate_with_is_close_to_the_costs() -> None:
    profile = BASE.profile()
    for tokens in (256, 512, 1024, 2048):
        line = profile.prefill_base + tokens * profile.prefill_per_token
        assert line == pytest.approx(BASE.prefill([(tokens, 0)]), rel=0.05)
    assert profile.decode_per_token == 0.020
    assert profile.best_batch == 2048


def test_costs_of_a_measured_profile() -> None:
    costs = LLMCosts.from_profile(LLMProfile(0.01, 0.001, 0.02), kv_tokens=160)
    assert costs.prefill([(100, 500)]) == pytest.approx(0.11)
    assert costs.decode(5) == 0.02


def test_a_large_batch_is_bound_by_computing() -> None:
    assert BASE.decode(200) == pytest.approx(200 * 0.2106e-3 + 199 * BASE.decode_per_sequence)


def test_another_file_and_one_with_an_unknown_formula(tmp_path: Path) -> None:
    source = Path("ayo_bridge/simulate/data/ayo_profiles.json")
    data = json.loads((Path(__file__).parents[2] / source).read_text())
    entry = data["llama-2-7b@1x3090"]
    entry["prefill_fit"]["formula"] = "10 + 0.1*n + 0*n*(ctx + n/2)"
    path = tmp_path / "profiles.json"
    path.write_text(json.dumps(data))
    assert load_profiles(path).llms["llama-2-7b@1x3090"].prefill([(100, 0)]) == pytest.approx(0.02)
    entry["prefill_fit"]["formula"] = "n*n"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="unknown form"):
        load_profiles(path)
