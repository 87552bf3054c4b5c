"""Real text for the apps: questions, and the documentation of the standard library about them.

Sources are parsed, never imported, and nothing comes over a network.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from examples.demo import corpus

OVERLAP: Final = 30 / 256
"""Of a chunk with the one before it (paper: chunks of 256 tokens, 30 of them overlap)."""
WORDS_PER_TOKEN: Final = 0.6
"""Of this text, by the tokenizers that these apps meet; a chunk is cut by words."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A question, and the modules whose documentation the asker brings along."""

    question: str
    modules: tuple[str, ...]


SUBJECTS: Final = (
    Subject(
        "How do I run several coroutines at once and wait until all of them are done?",
        ("asyncio.tasks", "asyncio.runners", "asyncio.locks", "asyncio.queues"),
    ),
    Subject(
        "How can a program read a CSV file whose columns have names?",
        ("csv", "configparser", "io", "pathlib"),
    ),
    Subject(
        "What is the right way to start another program and collect its output?",
        ("subprocess", "shlex", "signal", "os"),
    ),
    Subject(
        "How are dates with time zones parsed and printed?",
        ("datetime", "zoneinfo", "calendar", "locale"),
    ),
    Subject(
        "How can log records be sent to several places with different levels?",
        ("logging", "logging.handlers", "logging.config", "warnings"),
    ),
    Subject(
        "How is a ZIP archive read without unpacking it to disk?",
        ("zipfile", "tarfile", "shutil", "tempfile"),
    ),
)
_MORE: Final = ("argparse", "email.message", "functools", "http.server", "random", "threading")
"""Modules that are in the library as well."""


@cache
def library() -> Library:
    """The documentation of all modules that questions are about."""
    files = dict(corpus.sources())
    modules = dict.fromkeys([*(m for subject in SUBJECTS for m in subject.modules), *_MORE])
    found = [e for m in modules if m in files for e in corpus.entries(m, files[m])]
    return Library(tuple(found))


class Library:
    """Documented things, found by the words that they share with a question."""

    def __init__(self, entries: Sequence[corpus.Entry]) -> None:
        self.entries = entries
        self._bags = [bag(entry.text) for entry in entries]
        self._known_in = Counter(word for words in self._bags for word in words)

    def search(self, question: str, count: int) -> list[str]:
        """The texts that fit best, rare words counting more; ``count`` of them."""
        asked = bag(question)
        scored = [
            (sum(self._weight(word) for word in asked if word in words) / math.sqrt(len(words)), i)
            for i, words in enumerate(self._bags)
            if words
        ]
        best = sorted(scored, key=lambda found: (-found[0], found[1]))[:count]
        return [self.entries[i].text for score, i in best if score > 0]

    def signature(self, name: str) -> str:
        """The first line of a documented thing, by its name or the end of it."""
        name = name.strip()
        for entry in self.entries:
            if name and (entry.name == name or entry.name.endswith(f".{name}")):
                return entry.text.partition("\n")[0]
        return f"nothing is called {name!r}"

    def chunks(self, subject: Subject, count: int, tokens: int) -> list[str]:
        """The documents of a question, cut into ``count`` chunks of about so many tokens.

        Where the subject's own modules do not suffice, those of others follow.
        """
        size = max(round(tokens * WORDS_PER_TOKEN), 8)
        step = max(round(size * (1 - OVERLAP)), 1)
        words = self._words_about(subject)
        made: list[str] = []
        held: list[str] = []
        while len(made) < count:
            while len(held) < size:
                word = next(words, None)
                if word is None:
                    raise ValueError(f"there is not text enough for {count} chunks")
                held.append(word)
            made.append(" ".join(held))
            held = held[step:]
        return made

    def _words_about(self, subject: Subject) -> Iterator[str]:
        own = [entry for entry in self.entries if entry.module in subject.modules]
        rest = [entry for entry in self.entries if entry.module not in subject.modules]
        for entry in (*own, *rest):
            yield from entry.text.split()

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._bags) / (1 + self._known_in[word]))


def bag(text: str) -> Counter[str]:
    """The words of a text that say something, in a form that endings do not change much."""
    words = re.findall(r"[a-z]{3,}", text.lower())
    return Counter(word[:6] for word in words)
