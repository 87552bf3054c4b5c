"""An application that the commands load: two questions to a stub, one after the other.

And how a command is run on it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner

from ayo_bridge.cli import app
from ayo_bridge.verify.target import MODULE
from tests.stub_openai import StubOpenAI

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


@contextmanager
def program_in(folder: Path, stub: StubOpenAI, text: str) -> Iterator[Path]:
    """The file of a program, whose ``{url}`` is the stub's."""
    path = folder / "app.py"
    path.write_text(text.format(url=stub.base_url))
    with loadable():
        yield path


def questions_in(folder: Path, topics: Sequence[str], end: str = "") -> Path:
    """A file with a question about each topic."""
    path = folder / "questions.txt"
    path.write_text("\n".join(f"What is known of {topic}?" for topic in topics) + end)
    return path


def run(*args: object) -> tuple[int, str, str]:
    """Run a command; its status, and what it says on stdout and stderr."""
    result = CliRunner().invoke(app, [*map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
