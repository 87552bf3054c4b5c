"""What the stub LLM answers: a pure function of the request, in the format that it asks for.

Formats are told by phrases of the frameworks' prompts and of the applications' own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from benchmarks.learned.passages import WORDS, question, sentence
from tests.stub_openai import Body, hashed_text

Write: TypeAlias = Callable[[str, Random], str]
"""Makes an answer of a prompt."""

ORDINARY_MODEL = "ordinary"
"""The name of the model that writes ordinary, untidy text."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a prompt is told by (any of these, in lower case), and how its answer is written."""

    signs: tuple[str, ...]
    write: Write


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that the model asks for; ``arguments`` is JSON."""

    id: str
    name: str
    arguments: str


def reply_to(body: Body) -> str | ToolUse:
    """The answer to a request, without regard to how it is delivered."""
    prompt = prompt_of(body)
    random = Random(hashed_text(body))
    if body.get("tools"):
        used = _tool_use(body["messages"], body["tools"], random)
        if used is not None:
            return used
    lower = prompt.lower()
    for known in FORMATS:
        if any(sign in lower for sign in known.signs):
            return known.write(prompt, random)
    if body.get("model") == ORDINARY_MODEL:
        return _ordinary(prompt, random)
    return prose(prompt, random)


def prompt_of(body: Body) -> str:
    """The text of all messages, one after the other."""
    if "messages" not in body:
        prompt = body.get("prompt", "")
        return prompt if isinstance(prompt, str) else "\n".join(prompt)
    return "\n".join(_content(message) for message in body["messages"])


def _content(message: Body) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


# Prose.


def prose(prompt: str, random: Random) -> str:
    """A few sentences that, like real answers, echo some of the question and of the context."""
    parts = [sentence(random, random.randint(6, 12)) for _ in range(random.randint(2, 4))]
    asked = re.findall(r"[A-Z][^.?\n]{15,90}\?", prompt)
    said = re.findall(r"The [a-z][^.\n]{20,120} in \d{4}\.", prompt)
    if asked and random.random() < 0.6:
        parts.insert(0, f"You asked: {random.choice(asked)[:48]}")
    if said and random.random() < 0.6:
        parts.append(f"As it says: {random.choice(said)}")
    return " ".join(parts)


_ODD = (
    'He said "yes".',
    "C:\\path\\new\n",
    "naïve café, 日本語 😀",
    "```python\nprint('x')\n```",
    "1. one\n2. two",
    "OK",
    "the",
)


def _ordinary(prompt: str, random: Random) -> str:
    """Pieces of the prompt itself, quotes, code, and other scripts."""
    pieces = [piece for piece in re.split(r"(?<=[.\n])\s+", prompt) if 10 < len(piece) < 200]
    parts = [random.choice(pieces or ["nothing"]) for _ in range(random.randint(1, 3))]
    parts.append(random.choice(_ODD))
    random.shuffle(parts)
    return " ".join(parts)


# Formats of the frameworks.


def _sub_questions(prompt: str, random: Random) -> str:
    listed = re.findall(r"<Tools>\s*```json\s*(\{.*?\})\s*```", prompt, re.DOTALL)
    tools = list(json.loads(listed[-1]))
    count = len(tools) if len(tools) > 2 else random.randint(2, 4)
    items = [
        {
            "sub_question": question(random.randrange(10_000)),
            "tool_name": tools[number % len(tools)] if len(tools) > 2 else random.choice(tools),
        }
        for number in range(count)
    ]
    return f"```json\n{json.dumps({'items': items}, indent=4)}\n```"


def _choices(prompt: str, random: Random) -> str:
    offered = int(re.findall(r"\(1 to (\d+)\)", prompt)[-1])
    most = re.findall(r"no more than (\d+)", prompt)
    count = random.randint(1, min(offered, int(most[-1]))) if most else 1
    picked = sorted(random.sample(range(1, offered + 1), count))
    return json.dumps([{"choice": choice, "reason": sentence(random, 6)} for choice in picked])


def _relevant(prompt: str, random: Random) -> str:
    shown = prompt.rpartition("Let's try this now")[2]
    numbers = sorted({int(found) for found in re.findall(r"Document (\d+):", shown)})
    picked = random.sample(numbers, min(len(numbers), random.randint(2, 3)))
    scores = sorted((random.randint(3, 10) for _ in picked), reverse=True)
    lines = zip(picked, scores, strict=True)
    return "\n".join(f"Doc: {number}, Relevance: {score}" for number, score in lines)


def _queries(prompt: str, random: Random) -> str:
    asked = re.findall(r"generate (\d+) (?:search queries|different versions)", prompt.lower())
    count = int(asked[0]) if asked else 3
    return "\n".join(question(random.randrange(10_000)) for _ in range(count))


def _extract(prompt: str, random: Random) -> str:
    if random.random() < 0.3:
        return "NO_OUTPUT"
    context = prompt.rpartition("> Context:")[2]
    found = re.findall(r"The [a-z][^.\n]{20,120} in \d{4}\.", context)
    return " ".join(found[: random.randint(1, 3)]) or sentence(random)


def _keywords(prompt: str, random: Random) -> str:
    return ", ".join(random.sample(WORDS, 5))


def _title(prompt: str, random: Random) -> str:
    return " ".join(random.sample(WORDS, 4)).title()


def _scored(prompt: str, random: Random) -> str:
    return f"{sentence(random)}\nScore: {random.randint(1, 100)}"


def _structured(prompt: str, random: Random) -> str:
    facts = [sentence(random, 7) for _ in range(random.randint(1, 3))]
    return json.dumps({"title": _title(prompt, random), "facts": facts})


def _yes_or_no(prompt: str, random: Random) -> str:
    return random.choice(("YES", "NO", "NO"))


# Formats that the applications ask for themselves.


def _grade(prompt: str, random: Random) -> str:
    return random.choice(("yes", "yes", "no"))


def _numbered(prompt: str, random: Random) -> str:
    count = random.randint(2, 5)
    return "\n".join(f"{n}. {sentence(random, 6)}" for n in range(1, count + 1))


def _lines(prompt: str, random: Random) -> str:
    return "\n".join(question(random.randrange(10_000)) for _ in range(random.randint(2, 4)))


def _any_lines(prompt: str, random: Random) -> str:
    """None, one, or many: what a real model writes when it is asked for lines."""
    count = random.choice((0, 1, 1, 2, 3, 5, 12))
    words = re.findall(r"[a-z]{3,}", prompt) or ["nothing"]
    return "\n".join(" ".join(random.choice(words) for _ in range(4)) for _ in range(count))


def _objects(prompt: str, random: Random) -> str:
    items: list[dict[str, Any]] = [
        {
            "name": random.choice(WORDS),
            "topic": sentence(random, 6),
            "score": random.randint(0, 10),
            "open": random.random() < 0.5,
        }
        for _ in range(random.randint(0, 4))
    ]
    return json.dumps({"items": items})


def _score(prompt: str, random: Random) -> str:
    return str(random.randint(1, 10))


FORMATS = (
    Format(("a list of relevant sub-questions",), _sub_questions),
    Format(("some choices are given below",), _choices),
    Format(("a list of documents is shown below",), _relevant),
    Format(("search queries, one on each line", "different versions of the given"), _queries),
    Format(("extract any part of the context",), _extract),
    Format(("format as comma separated",), _keywords),
    Format(("give a title that summarizes", "the comprehensive title"), _title),
    Format(("json schema to follow",), _structured),
    Format(("score: [0", "then the line 'score:"), _scored),
    Format(("either yes/ no", "existing yes/no answer"), _yes_or_no),
    Format(("say yes or no",), _grade),
    Format(("as many lines as needed",), _any_lines),
    Format(("as a numbered list",), _numbered),
    Format(("one on each line",), _lines),
    Format(("as json with a list of items",), _objects),
    Format(("a number from 1 to 10",), _score),
)
"""The first that fits wins."""


# Tools.

_TURNS_WITH_TOOLS = 2


def _tool_use(messages: list[Body], tools: list[Body], random: Random) -> ToolUse | None:
    """The next tool: each one of those offered, in turns, for the first turns of the model."""
    turn = sum(message["role"] == "assistant" for message in messages)
    if turn >= _TURNS_WITH_TOOLS:
        return None
    function = tools[turn % len(tools)]["function"]
    arguments = {
        name: random.randint(2, 999)
        if schema.get("type") in ("integer", "number")
        else question(random.randrange(10_000))
        for name, schema in function["parameters"].get("properties", {}).items()
    }
    return ToolUse(f"call_{random.randbytes(6).hex()}", function["name"], json.dumps(arguments))
