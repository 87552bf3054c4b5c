"""Asks a real `vllm.LLM` alone and from many threads, and prints what differs, as JSON.

``python -m tests.engines.vllm_in_process.asking MODEL``: a process of its own, which takes its
memory with it.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


def asked(llm: Any) -> list[Callable[[], Any]]:
    """Calls of every kind that shares the engine."""
    from vllm import SamplingParams

    greedy = SamplingParams(temperature=0.0, max_tokens=24, ignore_eos=True)
    return [
        *(lambda i=i: llm.generate(f"The ferry {i} leaves", greedy) for i in range(6)),
        lambda: llm.generate(["Two", "prompts at once"], greedy, use_tqdm=False),
        lambda: llm.generate("Drawn", SamplingParams(temperature=0.9, seed=7, max_tokens=20)),
        lambda: llm.generate("Three", SamplingParams(n=3, temperature=0.9, seed=3, max_tokens=9)),
        lambda: llm.generate("Scored", SamplingParams(temperature=0.0, logprobs=2, max_tokens=6)),
        lambda: llm.generate("Stops", SamplingParams(temperature=0.0, stop="e", max_tokens=40)),
        lambda: llm.chat([{"role": "user", "content": "Why?"}], greedy, use_tqdm=False),
        lambda: llm.generate("long " * 5000, greedy),
        lambda: llm.generate([], greedy),
        lambda: llm.generate("Refused", SamplingParams(max_tokens=5, logprobs=100_000)),
    ]


def said(call: Callable[[], Any]) -> Any:
    try:
        outputs = call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return [
        [output.prompt, output.prompt_token_ids, output.finished]
        + [
            [each.index, list(each.token_ids), each.text, each.finish_reason, each.stop_reason]
            + [sorted(step) for step in each.logprobs or ()]
            for each in output.outputs
        ]
        for output in outputs
    ]


def counting(llm: Any) -> Callable[[], int]:
    """How many steps the engine has made."""
    core, made = llm.llm_engine.engine_core, [0]
    step = core.get_output

    def counted() -> Any:
        made[0] += 1
        return step()

    core.get_output = counted
    return lambda: made[0]


def threads(llm: Any, steps: Callable[[], int]) -> dict[str, Any]:
    """The same calls one after the other as they are, and at once by accelerated functions."""
    from ayo_bridge import Runtime, accelerate

    before = steps()
    alone = [said(call) for call in asked(llm)]
    taken = steps() - before
    runtime = Runtime(measure=False, templates=False)
    fast = [accelerate(call, runtime=runtime) for call in asked(llm)]
    before = steps()
    with ThreadPoolExecutor(len(fast)) as pool:
        together = list(pool.map(said, fast))
    runtime.close()
    differ = [a for a, b in zip(alone, together, strict=True) if a != b]
    return {
        "differ": differ,
        "refused": [x[0] for x in alone if x and isinstance(x[0], str)],
        "alone": taken,
        "together": steps() - before,
    }


async def cancelled(llm: Any, steps: Callable[[], int]) -> int:
    """How many steps were made after a chain of LangChain was cancelled, with nobody else there."""
    from langchain_community.llms import VLLM
    from langchain_core.prompts import PromptTemplate

    from ayo_bridge import Runtime, accelerate

    model = VLLM.model_construct(client=llm, temperature=0.0, max_new_tokens=1500, ignore_eos=True)
    runtime = Runtime(measure=False, templates=False)
    chain = accelerate(PromptTemplate.from_template("{q}?") | model, runtime=runtime)
    task = asyncio.create_task(chain.ainvoke({"q": "Why"}))
    begun = steps()
    while steps() < begun + 3:
        await asyncio.sleep(0.001)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        at = steps()
    while llm.llm_engine.has_unfinished_requests():
        await asyncio.sleep(0.001)
    runtime.close()
    return steps() - at


async def workflow(llm: Any) -> dict[str, Any]:
    """Queries of a native workflow, one of which takes too long, beside a thread of its own."""
    from vllm import SamplingParams

    from ayo_bridge import Runtime
    from ayo_bridge.errors import QueryTimeoutError
    from ayo_bridge.graph import Op, Synthesis, SynthesisMode
    from ayo_bridge.workflow import App, LanguageModel
    from ayo_bridge.workflow.engines import VllmEngine

    answer = Synthesis(name="answer", llm="llm", mode=SynthesisMode.GENERATION, tokens=20)
    greedy = SamplingParams(temperature=0.0, max_tokens=20, ignore_eos=True)
    prompts = [f"Say.\n\nQuestion: {name}" for name in "abcd"]
    wanted = [output.outputs[0].text for output in llm.generate(prompts, greedy, use_tqdm=False)]
    runtime = Runtime(engines=[VllmEngine(llm, name="llm")], measure=False, templates=False)
    app = App(runtime)
    app.register(runtime.scheduler("llm").engine)
    app.handle(("answer", Op.PREFILLING), LanguageModel("Say.", options={"ignore_eos": True}))
    thread = asyncio.create_task(asyncio.to_thread(llm.generate, prompts, greedy, use_tqdm=False))
    found = await asyncio.gather(*(app.submit({"question": name}, answer) for name in "abcd"))
    pieces = [piece async for piece in app.stream({"question": "a"}, answer)]
    long = {"ignore_eos": True, "max_tokens": 1500}
    app.handle(("answer", Op.PREFILLING), LanguageModel("Say.", options=long))
    late = ""
    try:
        await app.submit({"question": "e"}, answer, timeout=0.2)
    except QueryTimeoutError as error:
        late = type(error).__name__
    beside = [output.outputs[0].text for output in await thread]
    while llm.llm_engine.has_unfinished_requests():
        await asyncio.sleep(0.001)
    await app.aclose()
    runtime.close()
    texts = [str(each.output) for each in found]
    return {
        "same": texts == wanted == beside,
        "streamed": "".join(pieces) == wanted[0],
        "pieces": len(pieces),
        "late": late,
    }


def main(model: str) -> None:
    os.environ.update({**ENVIRONMENT, **os.environ})
    from vllm import LLM

    started = time.perf_counter()
    llm = LLM(
        model,
        dtype="float32",
        enforce_eager=True,
        kv_cache_memory_bytes=64 << 20,
        block_size=32,
        max_num_seqs=32,
    )
    steps = counting(llm)
    found = threads(llm, steps)
    found["after cancelling"] = asyncio.run(cancelled(llm, steps))
    found["workflow"] = asyncio.run(workflow(llm))
    found["threads"] = [each.name for each in threading.enumerate()]
    found["seconds"] = time.perf_counter() - started
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
