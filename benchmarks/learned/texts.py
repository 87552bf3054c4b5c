"""Ordinary text, as it was not made for anybody: docstrings of the standard library.

They hold quotes, code, tables, other indentation, and repeat each other. All is a pure function of
the Python version: equal in every process.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from random import Random

from benchmarks.learned.passages import Passage

_MODULES = (
    *("argparse", "asyncio", "collections", "contextlib", "csv", "datetime", "decimal", "difflib"),
    *("email.message", "functools", "heapq", "http.client", "inspect", "io", "itertools", "json"),
    *("logging", "math", "os", "pathlib", "pickle", "random", "re", "shutil", "socket"),
    *("sqlite3", "statistics", "string", "subprocess", "tempfile", "textwrap", "threading"),
    *("typing", "unittest", "urllib.parse", "uuid", "xml.etree.ElementTree", "zipfile"),
)
_MOST = 1800
_LEAST = 40
_SHORT = ("file", "open a file", "the", "2", "None", "in", "str", "a", "[]", "yes")


@cache
def docstrings() -> tuple[Passage, ...]:
    """Docstrings of classes and functions, in a fixed order that mixes the modules."""
    found = [passage for module in _MODULES for passage in _documented(module)]
    Random(3).shuffle(found)
    return tuple(found[:360])


def _documented(module_name: str) -> Iterator[Passage]:
    module = importlib.import_module(module_name)
    for name, value in inspect.getmembers(module):
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        owner = getattr(value, "__module__", None) or ""
        text = inspect.getdoc(value) or ""
        if owner.split(".")[0] == module_name.split(".")[0] and len(text) > _LEAST:
            identity = f"{module_name}.{name}"
            yield Passage(identity, text[:_MOST], f"{module_name}.py", text.count("\n") + 1)


@cache
def duplicates() -> tuple[Passage, ...]:
    """Beginnings of docstrings, each of them twice under ids of their own."""
    return tuple(
        Passage(f"{passage.id}-{copy}", passage.text[:300], passage.file_name, passage.page)
        for passage in docstrings()[:80]
        for copy in "ab"
    )


@cache
def long_passages() -> tuple[Passage, ...]:
    """Passages of several docstrings: eight of them make 30,000 characters."""
    texts = docstrings()
    return tuple(
        Passage(
            f"long-{number}",
            "\n\n".join(texts[(number * 7 + part) % len(texts)].text for part in range(12)),
            "long.txt",
            number,
        )
        for number in range(60)
    )


@cache
def _words() -> tuple[str, ...]:
    return tuple(
        word for passage in docstrings() for word in re.findall(r"\b[a-z]{3,}\b", passage.text)
    )


def ordinary_question(number: int) -> str:
    """Questions of the documents' own words; some are a word or two, some a line of a document."""
    random = Random(f"ordinary {number}")
    if number % 6 == 5:
        # The number keeps even these apart.
        return f"{random.choice(_SHORT)} {number}"
    if number % 6 == 4:
        return f"{random.choice(docstrings()).text.splitlines()[0][:80]} {number}"
    words = [random.choice(_words()) for _ in range(4)]
    return "How does {} {} the {} of a {}?".format(*words)
