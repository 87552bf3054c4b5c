"""An application that the commands load: two questions to a stub, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ayo_bridge.verify.target import MODULE

APP = """
import openai

client = openai.OpenAI(base_url={url!r}, api_key="key", max_retries=0)


def ask(prompt):
    reply = client.chat.completions.create(
        model="stub", messages=[{{"role": "user", "content": prompt}}], temperature=0
    )
    return reply.choices[0].message.content


def answer(query):
    return ask(f"List the causes: {{query}}") + ask(f"List the effects: {{query}}")
"""


@contextmanager
def loadable() -> Iterator[None]:
    """Undoes what loading a program does to this process.

    The program's own module alone: what it imports for the first time stays, since a library that
    is imported twice has classes twice, and only one of them is bound.
    """
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.pop(MODULE, None)
