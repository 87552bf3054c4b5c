"""Questions with their documents: the standard library's documentation, as long as in the trace."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.paper.ragpulse import requests
from examples.apps.texts import Subject
from examples.demo import corpus

DOCUMENT_PASSAGES: Final = 16
"""A document is as long as so many passages of its request in the trace."""
PASSAGES: Final = 6
"""Of a request in the trace that reads any."""
CHARACTERS_PER_TOKEN: Final = 4

SUBJECTS: Final = (
    Subject(
        "How do I run several coroutines at once and wait until all of them are done?",
        ("asyncio.tasks", "asyncio.taskgroups", "asyncio.runners", "asyncio.locks"),
    ),
    Subject(
        "How can a program read a CSV file whose columns have names?",
        ("csv", "configparser", "pathlib"),
    ),
    Subject(
        "What is the right way to start another program and collect its output?",
        ("subprocess", "shlex", "pty", "os"),
    ),
    Subject(
        "How are dates with time zones parsed and printed?",
        ("datetime", "zoneinfo._zoneinfo", "calendar", "locale"),
    ),
    Subject("How do I keep a priority queue in a plain list?", ("heapq", "queue", "bisect")),
    Subject(
        "How does one write a command line with options and subcommands?",
        ("argparse", "optparse", "getopt"),
    ),
    Subject(
        "How can log records be sent to several places with different levels?",
        ("logging", "logging.handlers", "logging.config", "warnings"),
    ),
    Subject(
        "How do I make a temporary directory that is removed afterwards?",
        ("tempfile", "shutil", "contextlib", "glob"),
    ),
    Subject(
        "Which classes help to parse e-mail messages with attachments?",
        ("email.message", "email.parser", "email.policy", "mailbox"),
    ),
    Subject(
        "How can results of a function be cached, and the cache be emptied?",
        ("functools", "weakref", "linecache", "inspect"),
    ),
    Subject(
        "How do threads hand work to each other safely?",
        ("threading", "concurrent.futures.thread", "concurrent.futures._base", "sched"),
    ),
    Subject(
        "How is a ZIP archive read without unpacking it to disk?",
        ("zipfile", "tarfile", "gzip", "zipimport"),
    ),
    Subject(
        "How can objects be compared, copied deeply and pickled?",
        ("pickle", "copy", "dataclasses", "pickletools"),
    ),
    Subject(
        "How do I open a TLS connection and check the certificate?",
        ("ssl", "socket", "http.client", "selectors"),
    ),
    Subject(
        "How do I measure how long a piece of code takes?",
        ("timeit", "cProfile", "pstats", "tracemalloc"),
    ),
    Subject(
        "How can text be wrapped and compared line by line?",
        ("textwrap", "difflib", "string", "pprint"),
    ),
)


def asked(count: int | None = None) -> list[dict[str, str]]:
    """A question and its document for the first ``count`` subjects; for all by default.

    Documents are as long as the trace's requests say that read passages of a collection.
    """
    lengths = [each.contexts for each in requests(200) if 0 < each.contexts < 2000]
    return [
        {"question": subject.question, "document": document(subject, contexts)}
        for subject, contexts in zip(SUBJECTS[:count], lengths, strict=False)
    ]


def parts(count: int, characters: int) -> list[dict[str, str]]:
    """So many questions, with parts of those documents: more than there are subjects, and shorter.

    No two are equal, so no prompt stands in a server's cache for one that was asked before.
    """
    whole = asked()
    each = math.ceil(count / len(whole))
    made = []
    for number in range(count):
        part, of = divmod(number, len(whole))
        question, text = whole[of]["question"], whole[of]["document"]
        start = max(0, len(text) - characters) * part // each
        said = question if part == 0 else f"{question} Look into part {part + 1}."
        made.append({"question": said, "document": text[start : start + characters]})
    return made


def document(subject: Subject, contexts: int) -> str:
    """The documentation about a subject; ``contexts`` are the tokens of all passages read of it.

    Raises:
        ValueError: there is not so much about it.
    """
    length = contexts * DOCUMENT_PASSAGES // PASSAGES * CHARACTERS_PER_TOKEN
    text = ""
    for module in (*subject.modules, "typing"):
        for entry in _documented(module):
            text += f"{entry.text}\n\n"
            if len(text) >= length:
                return text[: text.rindex("\n", 0, length)]
    raise ValueError(f"{len(text)} characters about {subject.modules}, not {length}")


@cache
def _files() -> dict[str, Path]:
    return dict(corpus.sources())


@cache
def _documented(module: str) -> tuple[corpus.Entry, ...]:
    path = _files().get(module)
    return tuple(corpus.entries(module, path)) if path else ()
