"""Threads that ask one `vllm.LLM` through LangChain: ``python -m benchmarks.vllm_in_process``.

Unlocked, the original does not survive two threads at once (vLLM 0.32: ``--unlocked`` shows it, in
a process of its own), so it asks under a lock here, as an app on it has to. Both arms ask the same
model in turns, in float32, and what they answer is compared token by token. One caller alone is
measured too: there is nothing to share, and nothing may be lost.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_PLUGINS": "",
}
os.environ.update({**ENVIRONMENT, **os.environ})

Ask = Callable[[str], str]
AT_LEAST = 2.0
AT_LEAST_ALONE = 0.97


def model(tokens: int) -> Any:
    """LangChain's class, with an untrained Llama of 28 M parameters in float32."""
    from langchain_community.llms import VLLM

    from benchmarks.untrained import untrained_llama

    return VLLM(
        model=str(untrained_llama()),
        dtype="float32",
        temperature=0.0,
        max_new_tokens=tokens,
        ignore_eos=True,
        vllm_kwargs={
            "enforce_eager": True,
            "kv_cache_memory_bytes": 256 << 20,
            "block_size": 32,
            "max_num_seqs": 32,
        },
    )


class Tokens:
    """The tokens of each prompt's last answer, seen below LangChain, which drops them."""

    def __init__(self, client: Any) -> None:
        self.by_prompt: dict[str, list[int]] = {}
        self._client = client
        client.generate = self._seen

    def reset_prefixes(self) -> None:
        """Whoever comes second shall not find the prompts of the first in the cache."""
        self._client.reset_prefix_cache()

    def _seen(self, *args: Any, **kwargs: Any) -> Any:
        ask = type(self._client).generate  # As it is now: accelerate() wraps it.
        outputs = ask(self._client, *args, **{**kwargs, "use_tqdm": False})
        for output in outputs:
            self.by_prompt[output.prompt] = list(output.outputs[0].token_ids)
        return outputs


def chain(llm: Any) -> Any:
    """A prompt and the model."""
    from langchain_core.prompts import PromptTemplate

    return PromptTemplate.from_template("Passage:\nThe ferry leaves.\n\nQuestion: {q}\n") | llm


def seconds(ask: Ask, questions: list[str], threads: int) -> float:
    """How long the threads take for all questions."""
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(ask, questions))
        return time.perf_counter() - started


def compared(
    arms: dict[str, Ask], tokens: Tokens, *, rounds: int, threads: int, each: int
) -> tuple[dict[str, list[float]], bool]:
    """The seconds of both arms, and whether all tokens were the same."""
    taken: dict[str, list[float]] = {name: [] for name in arms}
    same = True
    for turn in range(rounds + 1):  # The first warms up.
        questions = [f"{turn}.{number}: when does it leave?" for number in range(each)]
        said = []
        for name in list(arms)[:: 1 if turn % 2 else -1]:
            tokens.by_prompt.clear()
            tokens.reset_prefixes()
            spent = seconds(arms[name], questions, threads)
            said.append(dict(tokens.by_prompt))
            if turn:
                taken[name].append(spent)
        same = same and said[0] == said[1] and len(said[0]) == each
    return taken, same


def run_unlocked() -> None:
    """Let sixteen threads ask the original as it is."""
    asked = chain(model(32))
    seconds(lambda q: str(asked.invoke({"q": q})), [str(number) for number in range(16)], 16)
    print("it has survived")


def report(name: str, taken: dict[str, list[float]], each: int, least: float, same: bool) -> bool:
    """Print a line; returns whether the target is met."""
    before, after = (statistics.median(times) for times in taken.values())
    ratio = before / after
    print(
        f"{name}: {each / before:.2f} -> {each / after:.2f} calls/s, {ratio:.2f}x "
        f"(at least {least:g}x), tokens {'identical' if same else 'DIFFER'}"
    )
    return same and ratio >= least


def main(
    rounds: Annotated[int, typer.Option(help="Times that both arms are measured.")] = 5,
    threads: Annotated[int, typer.Option(help="Threads that ask at once.")] = 16,
    tokens: Annotated[int, typer.Option(help="Tokens of an answer.")] = 48,
    unlocked: Annotated[bool, typer.Option(help="Only let the threads ask unlocked.")] = False,
) -> None:
    """Measure, and exit with an error if a target is missed."""
    if unlocked:
        run_unlocked()
        return
    command = [sys.executable, "-m", "benchmarks.vllm_in_process", "--unlocked"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    how = "survives" if ended.returncode == 0 else f"ends with status {ended.returncode}"
    print(f"the original, asked by 16 threads without a lock: {how}")

    from ayo_bridge import Runtime, accelerate

    llm = model(tokens)
    seen, original = Tokens(llm.client), chain(llm)
    fast = accelerate(original, runtime=Runtime(measure=False, templates=False))
    lock = threading.Lock()

    def locked(question: str) -> str:
        with lock:
            return str(original.invoke({"q": question}))

    arms = {"original": locked, "accelerated": lambda q: str(fast.invoke({"q": q}))}
    taken, same = compared(arms, seen, rounds=rounds, threads=threads, each=2 * threads)
    met = [report(f"{threads} threads", taken, 2 * threads, AT_LEAST, same)]
    taken, same = compared(arms, seen, rounds=4 * rounds, threads=1, each=2)
    met.append(report("one caller", taken, 2, AT_LEAST_ALONE, same))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    typer.run(main)
