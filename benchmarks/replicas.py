"""Replicas: warms and requests at one replica, and what routing is worth under load.

``python -m benchmarks.replicas`` asks emulated servers on this machine: what it prints is emulated.
First pairs of a prefix warm and the request that goes on from it, all of which begin with the same
words: how many pairs meet at one replica, as the cached tokens of the replies prove, and how even
the load is. Then LlamaIndex objects, accelerated, that many users ask at 80 % of what least
outstanding requests can serve: mean latency by routing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge import LLM, Runtime, accelerate
from ayo_bridge.engines.openai_http import LLMRequest, OpenAIServer, make_call
from ayo_bridge.engines.openai_http.request import make_warm
from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.serving.ports import LOOPBACK, free_port

PROFILE: Final = "llama-2-7b@1x3090"
OPTIONS: Final[dict[str, Any]] = {"kv_blocks": 4096, "output_tokens": 48}
PAIRS: Final = 40
ROUTINGS: Final = ("round_robin", "least_outstanding", "least_delay", "prefix")
BASELINES: Final = ("round_robin", "least_outstanding", "prefix")
UTILISATION: Final = 0.8
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


# Load.


@dataclass(frozen=True, slots=True)
class Workload:
    """What users ask. ``make`` gives an object and ``ask`` has it answer the query of a number."""

    name: str
    make: Callable[[str], Any]
    ask: Callable[[Any, int], Any]


def _llm(url: str, window: int = 4096) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=PROFILE,
        api_base=url,
        api_key="none",
        is_chat_model=True,
        context_window=window,
        max_tokens=64,
        timeout=600.0,
    )


def _nodes(seed: object, count: int, words: int) -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [
        NodeWithScore(node=TextNode(text=passage((seed, at), words), id_=f"{seed}-{at}"))
        for at in range(count)
    ]


def _synthesis(mode: str, count: int, words: int, window: int) -> Workload:
    def make(url: str) -> Any:
        from llama_index.core import get_response_synthesizer

        return get_response_synthesizer(
            llm=_llm(url, window),
            response_mode=mode,
            use_async=True,  # type: ignore[arg-type]
        )

    async def ask(engine: Any, number: int) -> str:
        nodes = _nodes((mode, number), count, words)
        return str(await engine.asynthesize(f"Question {number}?", nodes))

    return Workload(mode, make, ask)


def _sub_questions() -> Workload:
    def make(url: str) -> Any:
        from llama_index.core import get_response_synthesizer

        llm = _llm(url)
        parts = get_response_synthesizer(llm=llm, response_mode="refine", use_async=True)
        whole = get_response_synthesizer(llm=llm, response_mode="compact", use_async=True)

        async def answer(number: int) -> str:
            async def part(at: int) -> str:
                nodes = _nodes(("sub", number, at), 2, 300)
                return str(await parts.asynthesize(f"Part {at} of question {number}?", nodes))

            said = await asyncio.gather(*(part(at) for at in range(3)))
            return str(await whole.asynthesize(f"Question {number}?", _said(number, said)))

        return answer

    async def ask(answer: Any, number: int) -> str:
        return str(await answer(number))

    return Workload("sub-question", make, ask)


def _said(number: int, said: Sequence[str]) -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [
        NodeWithScore(node=TextNode(text=text, id_=f"said-{number}-{at}"))
        for at, text in enumerate(said)
    ]


WORKLOADS: Final = (
    _synthesis("refine", 4, 300, 4096),
    _synthesis("tree_summarize", 6, 300, 900),
    _sub_questions(),
)


class Users:
    """Asks one workload in one arm."""

    def __init__(self, workload: Workload, urls: Sequence[str], routing: str) -> None:
        self._workload = workload
        self._runtime = Runtime(
            engines=[LLM(PROFILE, urls, routing)], templates=False, measure=False
        )
        self._object = accelerate(workload.make(urls[0]), runtime=self._runtime)

    def close(self) -> None:
        """Close the runtime."""
        self._runtime.close()

    async def ask(self, number: int) -> float:
        """Seconds of one query."""
        began = time.perf_counter()
        await self._workload.ask(self._object, number)
        return time.perf_counter() - began

    async def warm_up(self, count: int) -> None:
        """Let the servers be known."""
        for number in range(count):
            await self.ask(-1 - number)

    async def closed(self, users: int, seconds: float) -> float:
        """Queries a second that so many users get who ask one after the other."""
        end, numbers, done = time.perf_counter() + seconds, iter(range(10**9, 2 * 10**9)), 0

        async def user() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await self.ask(next(numbers))
                done += time.perf_counter() < end

        await asyncio.gather(*(user() for _ in range(users)))
        return done / seconds

    async def arriving(self, rate: float, seconds: float, seed: int) -> list[float]:
        """Seconds of each query; they arrive at random."""
        chance, at, tasks = random.Random(seed), 0.0, []
        began = time.perf_counter()
        while at < seconds:
            await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            tasks.append(asyncio.create_task(self.ask(seed * 10**6 + len(tasks))))
            at += chance.expovariate(rate)
        return list(await asyncio.gather(*tasks))


async def load(workload: Workload, urls: Sequence[str], seconds: float, seed: int) -> None:
    """Print mean latency by routing."""
    calibrated = Users(workload, urls, "least_outstanding")
    await calibrated.warm_up(6)
    capacity = await calibrated.closed(8 * len(urls), min(seconds, 20.0))
    calibrated.close()
    rate = UTILISATION * capacity
    means: dict[str, float] = {}
    for routing in BASELINES:
        users = Users(workload, urls, routing)
        await users.warm_up(10)
        began, used = time.perf_counter(), time.process_time()
        took = await users.arriving(rate, seconds, seed)
        busy = (time.process_time() - used) / (time.perf_counter() - began)
        users.close()
        means[routing] = statistics.mean(took)
        tail = statistics.quantiles(took, n=20)[-1]
        print(
            f"{workload.name:16} {routing:18} {rate:5.2f} queries/s: mean {means[routing]:6.2f} s, "
            f"p95 {tail:6.2f} s, {len(took)} queries, client {busy:.0%} of a core",
            flush=True,
        )
    ratios = ", ".join(
        f"{mean / means['prefix']:.2f}x {name}" for name, mean in means.items() if name != "prefix"
    )
    print(f"{workload.name:16} prefix is faster than: {ratios}", flush=True)


def main() -> int:
    """Run all, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=("pairs", "load"), help="one of the two parts")
    parser.add_argument("--workload", choices=[each.name for each in WORKLOADS])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each arm under load")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="of the emulated servers")
    parser.add_argument("--router", help="a vllm-router program, to put in front of two servers")
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(EmulatedServer(PROFILE, speed=options.speed, **OPTIONS))
            for _ in range(4)
        ]
        urls = [server.url for server in servers]
        if options.only != "load":
            for count in (2, 4):
                for routing in ROUTINGS:
                    all_pairs(servers[:count], urls[:count], routing)
            if options.router:
                url = stack.enter_context(routed(options.router, servers[:2]))
                all_pairs(servers[:2], [url], "external")
        if options.only != "pairs":
            for workload in WORKLOADS:
                if options.workload in (None, workload.name):
                    asyncio.run(load(workload, urls, options.seconds, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
