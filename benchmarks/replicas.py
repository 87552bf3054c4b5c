"""Replicas: warms and requests at one replica, and what routing is worth under load.

``python -m benchmarks.replicas`` asks emulated servers on this machine: what it prints is emulated.
First pairs of a prefix warm and the request that goes on from it, all of which begin with the same
words: how many pairs meet at one replica, as the cached tokens of the replies prove, and how even
the load is. Then what routing is worth to many users, in virtual time
(:mod:`benchmarks.replicas_load`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from ayo_bridge import LLM, Runtime
from ayo_bridge.engines.openai_http import LLMRequest, OpenAIServer, make_call
from ayo_bridge.engines.openai_http.request import make_warm
from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.serving.ports import LOOPBACK, free_port
from benchmarks.replicas_load import under_load

PROFILE: Final = "llama-2-7b@1x3090"
PAIRS: Final = 40
ROUTINGS: Final = ("round_robin", "least_outstanding", "least_delay", "prefix")
_WORDS: Final = (
    *("stone", "river", "maple", "cloud", "amber", "field"),
    *("north", "quiet", "ember", "delta", "grove", "light"),
)
_HEAD: Final = "You answer from the notes below, in one sentence, and name your source. " * 8
_SERVED: Final = re.compile(r"^vllm:request_success_total\{[^}]*\} ([0-9.e+]+)", re.MULTILINE)


def passage(seed: object, words: int) -> str:
    """Words that no other seed has in this order."""
    chance = random.Random(str(seed))
    return " ".join(chance.choices(_WORDS, k=words))


# Pairs.


def served(server: EmulatedServer) -> int:
    """Requests that a server has answered."""
    with urllib.request.urlopen(f"{server.root_url}/metrics") as page:
        return int(sum(map(float, _SERVED.findall(page.read().decode()))))


async def pairs(engine: OpenAIServer, together: int, label: str) -> int:
    """How many requests find what was prefilled for them."""
    gate, model = asyncio.Semaphore(together), PROFILE
    url = f"{engine.base_url}/chat/completions"
    headers = ((b"content-type", b"application/json"),)

    async def pair(number: int) -> bool:
        begun = f"{_HEAD}{passage((label, number), 600)}"

        def asked(text: str) -> LLMRequest:
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            return LLMRequest(url, headers, {**body, "max_tokens": 24})

        async with gate:
            await engine.serve(make_warm(engine.name, asked(begun)))
            reply = await engine.serve(make_call(engine.name, asked(f"{begun} And so?")))
            usage = reply.json()["usage"]
        cached: int = usage["prompt_tokens_details"]["cached_tokens"]
        return cached > 0.8 * int(usage["prompt_tokens"])

    return sum(await asyncio.gather(*(pair(number) for number in range(PAIRS))))


def all_pairs(servers: Sequence[EmulatedServer], urls: Sequence[str], routing: str) -> None:
    """Print a line for each concurrency."""
    for together in (1, 8):
        with replicated(urls, routing) as runtime:
            engine = OpenAIServer(f"llm:{PROFILE}", urls[0])
            runtime.register(engine)
            before = [served(server) for server in servers]
            label = f"{routing} {len(servers)} {together} {time.time()}"
            met = runtime.submit(pairs(engine, together, label)).result()
            time.sleep(0.2)
            given = [served(server) - was for server, was in zip(servers, before, strict=True)]
        even = sum(given) / len(given)
        off = max(abs(count - even) for count in given) / even
        print(
            f"{routing:18} {len(servers)} replicas, {together} at once: {met:2} of {PAIRS} pairs "
            f"at one replica; requests {given}, {off:.0%} off even",
            flush=True,
        )


@contextmanager
def replicated(urls: Sequence[str], routing: str) -> Iterator[Runtime]:
    """A runtime with these replicas."""
    runtime = Runtime(engines=[LLM(PROFILE, urls, routing)], templates=False, measure=False)
    try:
        yield runtime
    finally:
        runtime.close()


@contextmanager
def routed(program: str, servers: Sequence[EmulatedServer]) -> Iterator[str]:
    """A vllm-router in front of servers; its base URL."""
    port, metrics = free_port(), free_port()
    command = [program, "--host", LOOPBACK, "--port", str(port), "--prometheus-port", str(metrics)]
    command += ["--policy", "consistent_hash", "--worker-urls", *(s.root_url for s in servers)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://{LOOPBACK}:{port}/health", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{program} does not answer") from None
                time.sleep(0.1)
        yield f"http://{LOOPBACK}:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Run all, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=("pairs", "load"), help="one of the two parts")
    parser.add_argument("--queries", type=int, default=600, help="of each arm under load")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm under load")
    parser.add_argument("--router", help="a vllm-router program, to put in front of two servers")
    options = parser.parse_args()
    if options.only != "load":
        with ExitStack() as stack:
            servers = [
                stack.enter_context(EmulatedServer(PROFILE, kv_blocks=4096, output_tokens=24))
                for _ in range(4)
            ]
            urls = [server.url for server in servers]
            for count in (2, 4):
                for routing in ROUTINGS:
                    all_pairs(servers[:count], urls[:count], routing)
            if options.router:
                url = stack.enter_context(routed(options.router, servers[:2]))
                all_pairs(servers[:2], [url], "external")
    if options.only != "pairs":
        under_load(options.queries, options.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
