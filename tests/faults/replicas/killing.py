"""Users ask an accelerated object over replicas, one of which is killed every few seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ayo_bridge import LLM, Runtime, accelerate, stats

QUESTIONS = 16
_NOTE = "Note {} of question {}: the river is wide, the reed is tall, and nobody is there. "


@dataclass
class Seen:
    """What users saw. ``hits`` are results made ahead that were used once all was over."""

    right: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    kills: int = 0
    hits: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills: {self.right} answers right, {self.wrong} wrong, "
            f"failed {dict(self.failed) or 'none'}, slowest {self.slowest:.2f} s; "
            f"{self.hits} results made ahead were used afterwards"
        )


def synthesizer(url: str, model: str) -> Any:
    """A tree over three notes, by a client that makes no retries of its own."""
    from llama_index.core import get_response_synthesizer
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(
        model=model,
        api_base=url,
        api_key="none",
        is_chat_model=True,
        context_window=512,
        max_tokens=16,
        max_retries=0,
        timeout=20.0,
    )
    return get_response_synthesizer(llm=llm, response_mode="tree_summarize")  # type: ignore[arg-type]


def ask(engine: Any, number: int) -> str:
    """One answer."""
    from llama_index.core.schema import NodeWithScore, TextNode

    texts = [_NOTE.format(at, number) * 12 for at in range(3)]
    notes = [NodeWithScore(node=TextNode(text=text, id_=text[:30])) for text in texts]
    return str(engine.synthesize(f"Question {number}?", notes))


def under_fire(
    urls: list[str],
    model: str,
    strike: Callable[[], object],
    *,
    seconds: float,
    users: int,
    make: type[Runtime] = Runtime,
) -> Seen:
    """Have users ask while ``strike`` is called again and again: it kills a replica, waits, and
    starts it anew."""
    seen, lock = Seen(), threading.Lock()
    original = synthesizer(urls[0], model)
    said = [ask(original, number) for number in range(QUESTIONS)]
    # The limit is set: a machine that is busy would find that less ahead is better.
    runtime = make(engines=[LLM(model, urls)], templates=False, measure=False, max_ahead=16)
    engine = accelerate(synthesizer(urls[0], model), runtime=runtime)
    end = time.monotonic() + seconds

    def user(number: int) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                right = ask(engine, number % QUESTIONS) == said[number % QUESTIONS]
            except Exception as error:
                with lock:
                    seen.failed[type(error).__name__] += 1
            else:
                with lock:
                    seen.right, seen.wrong = seen.right + right, seen.wrong + (not right)
            seen.slowest = max(seen.slowest, time.monotonic() - began)
            number += users

    try:
        with ThreadPoolExecutor(users) as threads:
            asking = [threads.submit(user, number) for number in range(users)]
            while time.monotonic() < end:
                strike()
                seen.kills += 1
            for each in asking:
                each.result()
        before, until = stats(engine).hits, time.monotonic() + 60
        number = 0
        while stats(engine).hits == before and time.monotonic() < until:
            # Questions that differ: from equal ones nothing is learned.
            number = (number + 1) % QUESTIONS
            assert ask(engine, number) == said[number]
        seen.hits = stats(engine).hits - before
    finally:
        runtime.close()
    return seen
