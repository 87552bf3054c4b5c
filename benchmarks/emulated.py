"""``python -m benchmarks.emulated``: the emulated server beside the vLLM that it was measured from.

Starts vLLM with an untrained model on the CPU, measures its profile as ``ayo-bridge profile --llm
--steps`` does, starts ``serve-sim`` with that profile, and sends both the same requests in turns:
alone, and 4 and 8 at once; long prompts, long answers, and prompts with a prefix sent before.

A ratio is emulated time by real time, each the least of the rounds. What is compared beside it
depends on no neighbour on the machine: steps of the engines, and tokens found in the prefix cache.

``--clock cpu`` takes the time that vLLM's processes were on a core for the real one, both when the
profile is measured and here: where other programs share the cores, that is what is left to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from ayo_bridge.profile import LLMProfile, ProfileStore
from ayo_bridge.profile.llm_server import llm_profile_name, measure_llm
from ayo_bridge.serving.emulated import EmulatedServer
from benchmarks.untrained import untrained_server

TARGET: Final = 0.15
STEP_TOKENS: Final = 2048
IDS: Final = range(300, 3000)
_SAMPLE: Final = re.compile(r"^vllm:(\w+)\{[^}]*\} (\S+)$", re.MULTILINE)

Ids = list[int]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """Requests at once: tokens of each prompt, how many of them were sent before, and decoded."""

    name: str
    count: int
    prompt: int
    known: int
    decoded: int


CASES: Final = tuple(
    Case(f"{count} x {name}", count, *sizes)
    for count in (1, 4, 8)
    for name, sizes in {
        "long prompt": (512, 0, 8),
        "long answer": (64, 0, 96),
        "known prefix": (1024, 960, 16),
    }.items()
)


@dataclass(frozen=True)
class Measured:
    """One run of a case: seconds until all had their answers, steps, tokens found in the cache."""

    seconds: float
    steps: int
    cached: int


class Client:
    """Sends the same requests to any of the two servers."""

    def __init__(self, root: str, model: str, clock: Clock) -> None:
        self._root = root
        self._model = model
        self._clock = clock

    def run(self, case: Case, prefix: Ids, prompts: list[Ids]) -> Measured:
        if prefix:
            self._complete([*prefix, 299], 1)
        before = self._state()
        with ThreadPoolExecutor(case.count) as threads:
            start = self._clock()
            sent = [threads.submit(self._complete, prompt, case.decoded) for prompt in prompts]
            for each in sent:
                each.result()
            seconds = self._clock() - start
        after = self._state()
        steps, cached = (
            int(after[name] - before[name])
            for name in ("iteration_tokens_total_count", "prefix_cache_hits_total")
        )
        return Measured(seconds, steps, cached)

    def _complete(self, prompt: Ids, decoded: int) -> None:
        body = {"model": self._model, "prompt": prompt, "max_tokens": decoded}
        self._ask("/v1/completions", {**body, "temperature": 0, "ignore_eos": True})

    def _state(self) -> dict[str, float]:
        # vLLM's counters come after the reply.
        time.sleep(0.05)
        return {name: float(value) for name, value in _SAMPLE.findall(self._ask("/metrics"))}

    def _ask(self, path: str, body: Any = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._root + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=300) as reply:
            return str(reply.read().decode())


def cpu_clock(pid: int) -> Clock:
    """Seconds that a process and all below it were on a core; Linux."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    folders = [Path(f"/proc/{process.pid}/task") for process in processes]

    def seconds() -> float:
        total = 0
        for folder in folders:
            for thread in folder.iterdir():
                try:
                    total += int((thread / "schedstat").read_text().split()[0])
                except (OSError, IndexError):
                    continue  # It has just ended.
        return total / 1e9

    return seconds


def ids(chance: random.Random, count: int) -> Ids:
    return chance.choices(IDS, k=count)


def compare(real: Client, emulated: Client, rounds: int) -> list[tuple[Case, float]]:
    """Run all cases in turns; print a line a case."""
    chance = random.Random(0)
    print(f"{'case':18}{'real ms':>9}{'emul. ms':>10}{'ratio':>8}   steps      cached tokens")
    ratios = []
    for case in CASES:
        runs: list[tuple[Measured, Measured]] = []
        for _ in range(rounds):
            prefix = ids(chance, case.known)
            prompts = [prefix + ids(chance, case.prompt - case.known) for _ in range(case.count)]
            runs.append((real.run(case, prefix, prompts), emulated.run(case, prefix, prompts)))
        arms = [[pair[arm] for pair in runs] for arm in (0, 1)]
        theirs, ours = (min(run.seconds for run in arm) for arm in arms)
        steps, cached = (
            " / ".join(f"{statistics.median(getattr(run, name) for run in arm):g}" for arm in arms)
            for name in ("steps", "cached")
        )
        ratios.append((case, ours / theirs))
        line = f"{case.name:18}{theirs * 1e3:9.0f}{ours * 1e3:10.0f}{ours / theirs:8.2f}"
        print(f"{line}   {steps:<10} {cached}", flush=True)
    return ratios


def show(profile: LLMProfile) -> None:
    costs = profile.steps
    assert costs is not None
    print(
        f"profile: prefill {costs.prefill_base * 1e3:.1f} ms + {costs.prefill_per_token * 1e6:.0f} "
        f"us a token + {costs.prefill_per_pair * 1e9:.0f} ns a pair; decode "
        f"{costs.decode_base * 1e3:.2f} ms + {costs.decode_per_sequence * 1e3:.2f} ms a sequence + "
        f"{costs.decode_per_context * 1e6:.2f} us a token of context; {costs.kv_tokens} KV tokens "
        f"in blocks of {costs.block}",
        flush=True,
    )


def main() -> int:
    """Measure, compare, and say what is off by more than the target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    batched = ["--max-num-batched-tokens", str(STEP_TOKENS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        untrained_server(threads=1, extra_args=batched) as vllm,
    ):
        assert vllm.pid is not None
        clock = cpu_clock(vllm.pid) if options.clock == "cpu" else time.perf_counter
        profile, *_ = measure_llm(
            vllm.url, vllm.model_name, repeats=options.rounds, clock=clock, typical=min, steps=True
        )
        show(profile)
        name = llm_profile_name(vllm.url, vllm.model_name)
        path = ProfileStore(folder).save(name, "local", profile)
        with EmulatedServer(path, max_num_batched_tokens=STEP_TOKENS) as server:
            real = Client(vllm.root_url, vllm.model_name, clock)
            emulated = Client(server.root_url, server.model_name, time.perf_counter)
            ratios = compare(real, emulated, options.rounds)
    off = [f"{case.name} {ratio:.2f}" for case, ratio in ratios if abs(ratio - 1) > TARGET]
    print(f"off by more than {TARGET:.0%}: {', '.join(off) or 'none'} (clock: {options.clock})")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
