"""Applications without a framework: functions that call the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines


def call(function: Any, inputs: Inputs) -> Answer:
    """Ask a function that takes a question and returns text."""
    return Answer(function(inputs.query))


async def acall(function: Any, inputs: Inputs) -> Answer:
    """Ask a coroutine function that takes a question and returns text."""
    return Answer(await function(inputs.query))


def asking(engines: Engines, model: str = "stub") -> Callable[[str], str]:
    """One prompt, one answer."""
    client = engines.openai()

    def ask(prompt: str) -> str:
        reply = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], temperature=0
        )
        text: str = reply.choices[0].message.content
        return text

    return ask


def async_asking(engines: Engines) -> Callable[[str], Awaitable[str]]:
    """One prompt, one answer, on the loop."""
    client = engines.async_openai()

    async def ask(prompt: str) -> str:
        reply = await client.chat.completions.create(
            model="stub", messages=[{"role": "user", "content": prompt}], temperature=0
        )
        text: str = reply.choices[0].message.content
        return text

    return ask


def _causes_and_effects(engines: Engines) -> Program:
    ask = asking(engines)

    def explain(question: str) -> str:
        causes = ask(f"List the causes behind this: {question}")
        effects = ask(f"List the effects behind this: {question}")
        return ask(
            f"Causes: {causes.strip()}\nEffects: {effects.strip()}\n"
            f"Write one paragraph on {question.lower()}"
        )

    return Program(explain, call)


def _translations(engines: Engines) -> Program:
    ask = async_asking(engines)

    async def compare(question: str) -> str:
        french, dutch = await asyncio.gather(
            ask(f"Translate to French: {question}"), ask(f"Translate to Dutch: {question}")
        )
        return await ask(f"Compare these translations.\n1) {french}\n2) {dutch}")

    return Program(compare, acall)


def _critique_loop(engines: Engines) -> Program:
    ask = asking(engines)

    def write(question: str) -> str:
        draft = ask(f"Draft an answer to this question: {question}")
        for turn in range(1, 4):
            verdict = ask(f"Is this draft complete? Say yes or no.\n\n{draft}")
            if verdict == "yes":
                break
            draft = ask(f"Improve this draft (turn {turn}).\nQuestion: {question}\nDraft: {draft}")
        return draft

    return Program(write, call)


APPS = (
    App("py_plain", Group.PLAIN, _causes_and_effects, exactly(3), longest=Longest(llm=2)),
    App(
        "py_gather",
        Group.PLAIN,
        _translations,
        exactly(3),
        longest=Longest(llm=2),
        on_loop=True,
    ),
    App("py_critique_loop", Group.PLAIN, _critique_loop, Calls(2, 7)),
)
"""Applications in plain Python."""
