"""A program whose function is learned in one process and used in another."""

from __future__ import annotations

import json
import sys
from typing import Any

import openai

from ayo_bridge import Runtime, accelerate, explain
from tests.deadline import eventually

KEY = "sk-live-0123456789abcdef0123"
EMAIL = "jane.roe@example.org"
_style: list[str] = ["List"]
"""What the prompts begin with; kept where no call sees it among its arguments."""
_elsewhere: list[bool] = [False]
_client: list[openai.OpenAI] = []


def _ask(prompt: str) -> str:
    reply = _client[0].chat.completions.create(
        model="stub", messages=[{"role": "user", "content": prompt}], temperature=0
    )
    return reply.choices[0].message.content or ""


def _say(what: str, query: str) -> str:
    prompt = f"{_style[0]} the {what}: {query}"
    if _elsewhere[0]:
        return _ask(prompt)
    return _ask(prompt)


def answer(query: str) -> str:
    """Three calls, of which the second and third wait for nothing."""
    causes = _say("causes", query)
    effects = _say("effects", query)
    people = _say("people", query)
    return f"{causes} / {effects} / {people}"


def talk_to(base_url: str) -> None:
    """Have the function ask this server."""
    _client[:] = [openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0)]


def hang_up() -> None:
    """Close the client."""
    _client.pop().close()


def change(word: str, *, elsewhere: bool = False) -> None:
    """Change the word that prompts begin with, and the line of the program that asks them."""
    _style[:] = [word]
    _elsewhere[:] = [elsewhere]


def question(number: int) -> str:
    """Questions of one user, each about something else."""
    topics = ("rivers", "tides", "glaciers", "deserts", "volcanoes", "forests", "reefs", "clouds")
    topic = topics[number % len(topics)]
    return f"What does {EMAIL} know of {topic} in the year {1900 + 7 * number}?"


def outcomes(fast: Any) -> list[str]:
    """What became of the engine calls of the last call."""
    record = explain(fast).record
    return [] if record is None else sorted(call.outcome.name for call in record.calls)


def trusted(fast: Any) -> bool:
    """Whether something is learned that is not in doubt."""
    explained = explain(fast).full()
    return "learned from" in explained and "watched only" not in explained


def main(base_url: str, first: int, calls: int) -> None:
    """Print what became of the calls that the accelerated function makes in this process."""
    talk_to(base_url)
    runtime = Runtime(measure=False)
    fast = accelerate(answer, runtime=runtime)
    seen: list[object] = []
    for number in range(first, first + calls):
        got = fast(question(number))
        seen.append([got, outcomes(fast)])
        eventually(lambda: trusted(fast), "the first call being compared with what was kept")
    print(json.dumps({"calls": seen}))
    runtime.close()
    hang_up()


if __name__ == "__main__":
    # Not as ``__main__``: the function's name is that of its module.
    from tests.learn import kept_app

    kept_app.main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
