"""The same simulation twice is the same to the last bit, in this process and in another."""

from __future__ import annotations

import hashlib
import itertools
import random
import subprocess
import sys

import pytest

from ayo_bridge.seam import Call
from ayo_bridge.simulate import Batching, LLMRequest, SimulatedLLM, load_profiles
from tests.simulate.driving import Outcome, drive

COSTS = load_profiles().llms["llama-2-7b@1x3090"]


def crowd(policy: str, *, chunked: bool) -> Outcome:
    """Eighty requests that share prefixes, fill two caches and are partly aborted."""
    source = random.Random(7)
    maker = SimulatedLLM("llm", COSTS)
    arrivals: list[tuple[float, Call]] = []
    for n in range(80):
        prompt = (("system", 60), (f"doc{source.randrange(12)}", 800), (f"q{n}", 40))
        request = LLMRequest(prompt, source.randrange(1, 150), marks=(1,))
        arrivals.append((source.random() * 8, maker.call(request, key=n)))
    aborts = [(when + source.random() * 5, n) for n, (when, _) in enumerate(arrivals) if n % 9 == 0]

    def engine(busy: list[object]) -> SimulatedLLM:
        batching = Batching(chunked=chunked, step_tokens=2048)
        return SimulatedLLM("llm", COSTS, instances=2, batching=batching, trace=busy.append)

    return drive(engine, arrivals, aborts=aborts, policy=policy, delay=0.002)  # type: ignore[arg-type]


@pytest.mark.parametrize("chunked", [True, False])
def test_two_runs_have_the_same_log(chunked: bool) -> None:
    one, other = (crowd("topology", chunked=chunked) for _ in range(2))
    assert one.busy == other.busy
    assert one.ended == other.ended
    assert one.result == other.result
    assert len(one.busy) > 100
    assert "cancelled" in one.result


def digest() -> str:
    outcome = crowd("topology", chunked=True)
    return hashlib.sha256(repr((outcome.busy, outcome.ended)).encode()).hexdigest()


def test_another_process_with_other_string_hashes_has_the_same_log() -> None:
    code = "from tests.simulate.test_determinism import digest; print(digest())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest()


@pytest.mark.parametrize("chunked", [True, False])
def test_an_instance_never_does_two_things_at_once(chunked: bool) -> None:
    busy = crowd("throughput", chunked=chunked).busy
    for instance in range(2):
        times = [(b.start, b.end) for b in busy if b.instance == instance]
        assert times == sorted(times)
        assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(times))
