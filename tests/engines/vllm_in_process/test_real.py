"""One `vllm.LLM` asked by many threads, by a chain and by a workflow gives what it gives alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_model_answers_threads_at_once_as_it_does_one(tiny_llama: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.engines.vllm_in_process.asking"]
    ended = subprocess.run(
        [*command, str(tiny_llama)], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    # Greedy and seeded, n > 1, log probabilities, stop words, chats, and what is refused.
    assert found["differ"] == []
    assert found["refused"] == ["VLLMValidationError"] * 2
    assert found["together"] < found["alone"] / 3
    assert found["after cancelling"] <= 1
    assert found["workflow"] == {
        "same": True,
        "streamed": True,
        "pieces": found["workflow"]["pieces"],
        "late": "QueryTimeoutError",
    }
    assert found["workflow"]["pieces"] > 5
