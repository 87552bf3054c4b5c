"""The emulated engine in virtual time: how steps are formed, and what it writes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from ayo_bridge.serving.emulated.answers import Wish, answer
from ayo_bridge.serving.emulated.engine import EmulatedEngine
from ayo_bridge.serving.emulated.fields import RefusedError
from ayo_bridge.serving.emulated.metrics import metrics
from ayo_bridge.serving.emulated.requests import read
from ayo_bridge.serving.emulated.settings import Rule, Settings
from ayo_bridge.serving.emulated.tokens import pieces, rendered
from ayo_bridge.simulate import LLMCosts, run_virtual

COSTS = LLMCosts(0.010, 0.001, 0.0, 0.020, 0.001, kv_tokens=1600)
SETTINGS = Settings("costs", COSTS, model="m")


def run(settings: Settings, *bodies: dict[str, object]) -> tuple[EmulatedEngine, list[float]]:
    """All requests at once, whole; the engine, and when each ended."""

    async def main() -> tuple[EmulatedEngine, list[float]]:
        loop = asyncio.get_running_loop()
        engine = EmulatedEngine(settings)
        waiting = []
        for body in bodies:
            asked = read(settings, json.dumps({"model": "m", **body}).encode(), chat=False)
            for planned in asked.sequences:
                future = loop.create_future()
                waiting.append(future)
                engine.start(
                    planned,
                    asked.priority,
                    None,
                    lambda future=future: future.set_result(loop.time()),  # type: ignore[misc]
                )
        return engine, list(await asyncio.gather(*waiting))

    return run_virtual(main())


def ids(first: int, count: int) -> list[int]:
    return list(range(first, first + count))


def test_sequences_share_steps() -> None:
    each = {"max_tokens": 32, "ignore_eos": True}
    engine, ended = run(SETTINGS, *({"prompt": ids(100 * i, 50), **each} for i in range(4)))
    assert engine.counters.steps == 32
    assert engine.counters.step_tokens == 4 * (50 + 31)
    # 10 ms and 200 tokens of 1 ms, then 31 steps of 20 ms and three further sequences.
    assert ended == pytest.approx([0.210 + 31 * 0.023] * 4)


def test_what_is_asked_at_once_shares_its_prefix() -> None:
    prompt = ids(0, 160)
    engine, ended = run(
        SETTINGS, *({"prompt": [*prompt, 1000 + i], "max_tokens": 1} for i in range(3))
    )
    assert engine.instance.cached_tokens == 2 * 160
    assert ended == pytest.approx([0.010 + 0.163] * 3)


def test_without_prefix_caching_every_prompt_is_computed_whole() -> None:
    prompt = ids(0, 160)
    off = replace(SETTINGS, enable_prefix_caching=False)
    bodies = [{"prompt": [*prompt, 1000 + i], "max_tokens": 1} for i in range(3)]
    engine, ended = run(off, *bodies)
    assert engine.instance.cached_tokens == 0
    assert ended == pytest.approx([0.010 + 3 * 0.161] * 3)
    assert 'enable_prefix_caching="False"' in metrics(engine, 0.0)


def test_a_context_that_is_shared_is_read_once() -> None:
    reading = replace(SETTINGS, costs=replace(COSTS, decode_per_context=1e-5, kv_tokens=16000))
    prefix = ids(0, 960)
    each = {"max_tokens": 2, "ignore_eos": True}
    shared = run(reading, *({"prompt": [*prefix, 2000 + i], **each} for i in range(2)))[1]
    own = run(reading, *({"prompt": ids(5000 * i, 961), **each} for i in range(2)))[1]
    # Each has 61 blocks of 16 for its 962 tokens; 60 of them are the same.
    assert shared == pytest.approx([0.010 + 0.962 + 0.021 + 62 * 16 * 1e-5] * 2)
    assert own == pytest.approx([0.010 + 1.922 + 0.021 + 2 * 962 * 1e-5] * 2)


def test_what_has_no_room_in_the_cache_waits() -> None:
    each = {"max_tokens": 2, "ignore_eos": True}
    small = replace(SETTINGS, kv_blocks=10, block_size=16)
    engine, ended = run(small, *({"prompt": ids(1000 * i, 100), **each} for i in range(2)))
    assert ended == pytest.approx([0.130, 0.260])
    assert 'num_gpu_blocks="10"' in metrics(engine, 0.0)


def test_priorities_count_only_where_the_policy_says_so() -> None:
    bodies = [
        {"prompt": ids(0, 10), "max_tokens": 1},
        {"prompt": ids(50, 10), "max_tokens": 1, "priority": -1},
    ]
    single = replace(SETTINGS, max_num_seqs=1)
    assert run(single, *bodies)[1] == pytest.approx([0.040, 0.020])
    fcfs = replace(single, scheduling_policy="fcfs")
    assert run(fcfs, *bodies)[1] == pytest.approx([0.020, 0.040])


def test_an_answer_is_the_same_in_every_process_and_counts_its_tokens() -> None:
    said = answer(SETTINGS, "What is a bridge?", 0, Wish(most=12))
    assert "".join(said.pieces) == "Mount reed path frame spark.\nRiver frost level ocean snow"
    assert said.finish == "length"
    for length in range(1, 60):
        text = "".join(answer(SETTINGS, f"{length}", 0, Wish(length, to_the_end=True)).pieces)
        assert len(pieces(text)) == length
        if not text.endswith("\n"):
            quoted = pieces(f"<|assistant|>\n{text}\n<|user|>")
            assert quoted[5 : 5 + length] == pieces(text)


def test_a_stop_string_ends_an_answer() -> None:
    rules = (Rule("?", text="Thought: look it up.\nObservation: nothing\n"),)
    settings = replace(SETTINGS, rules=rules)
    said = answer(settings, "Well?", 0, Wish(99, stops=("Observation:", "never")))
    assert "".join(said.pieces) == "Thought: look it up.\n"
    assert (said.finish, said.stop) == ("stop", "Observation:")
    # The steps that decoded the stop string count, what would have come after it does not.
    assert len(said.pieces) == len(pieces("Thought: look it up.\nObservation:"))
    kept = answer(settings, "Well?", 0, Wish(99, stops=("Observation:",), keeps_stop=True))
    assert "".join(kept.pieces) == "Thought: look it up.\nObservation:"


def test_tokens_are_about_four_characters_and_lose_nothing() -> None:
    text = (
        "Retrieval-augmented generation looks up passages, ranks them and has a model answer "
        "from what they say; most of its prompts are passages, and their beginnings repeat.\n"
    )
    assert 3.5 < len(text) / len(pieces(text)) < 4.5
    for strange in (text, "naïve  \t 日本語 12345 _x_ ²½ \n\n\u2028end ", "\ud800"):
        assert "".join(pieces(strange)) == strange


def test_a_warm_prompt_is_a_beginning_of_the_whole_one() -> None:
    system = {"role": "system", "content": "Be brief."}
    warm = rendered([system, {"role": "user", "content": "Context: a"}], open_ended=True)
    whole = rendered([system, {"role": "user", "content": "Context: a b c"}])
    assert whole.startswith(warm)


def test_prompts_may_be_several() -> None:
    raw = json.dumps({"prompt": ["one two", [1, 2, 3]], "n": 2, "max_tokens": 4}).encode()
    asked = read(SETTINGS, raw, chat=False)
    assert [planned.index for planned in asked.sequences] == [0, 1, 2, 3]
    assert [len(planned.prompt) for planned in asked.sequences] == [2, 2, 3, 3]
    assert asked.prompt_tokens == 5
    with pytest.raises(RefusedError):
        read(SETTINGS, b'{"prompt": ["a", 1]}', chat=False)


def test_settings_travel_as_text() -> None:
    settings = replace(SETTINGS, output_tokens=(3, 9), rules=(Rule("a", tokens=2),), speed=4.0)
    assert Settings.from_json(settings.to_json()) == settings
