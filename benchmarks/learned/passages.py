"""The town whose history most applications are asked about: passages and questions, made up.

All of it is a pure function of numbers: equal in every process and on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

WORDS = (
    *("harbour", "river", "stone", "bridge", "market", "winter", "council", "engine", "paper"),
    *("wool", "copper", "ledger", "garden", "tower", "sailor", "grain", "canal", "census"),
    *("plague", "treaty", "guild", "archive", "lantern", "bishop", "quarry", "ferry", "printing"),
    *("coal", "railway", "school", "mill", "cathedral", "orchard", "brewery", "customs", "fever"),
)
_LINKS = ("of the", "and the", "near the", "before the", "without a", "for the", "under the")
_VERBS = ("paid for", "moved", "rebuilt", "closed", "counted", "sold", "feared", "described")
_QUESTIONS = (
    "How did the {} and the {} change after the {}?",
    "Which {} kept the {} in the year of the {}?",
    "What did the {} write to the {} about the {}?",
    "Why was the old {} at the {} closed before the {}?",
    "Who paid for the {} of the {}, and what became of the {}?",
    "How much did the {} store for the {} and its {}?",
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a corpus, with an id that is unique in it."""

    id: str
    text: str
    file_name: str
    page: int


def sentence(random: Random, length: int = 9) -> str:
    """A sentence of about so many words."""
    words = ["The", random.choice(WORDS), random.choice(_VERBS), "the", random.choice(WORDS)]
    while len(words) < length:
        words += [random.choice(_LINKS), random.choice(WORDS)]
    return " ".join(words) + f" in {random.randint(1400, 1899)}."


def passages(corpus: str, count: int, sentences: int = 7) -> list[Passage]:
    """The first passages of a corpus; a corpus of another name has other texts."""
    made = []
    for number in range(count):
        random = Random(f"passage {corpus} {number}")
        text = " ".join(sentence(random, random.randint(7, 12)) for _ in range(sentences))
        name = f"{random.choice(WORDS)}_{number}.txt"
        made.append(Passage(f"{corpus}-{number}", text, name, number % 7 + 1))
    return made


def question(number: int) -> str:
    """The question of this number; no two are equal."""
    random = Random(f"question {number}")
    asked = _QUESTIONS[number % len(_QUESTIONS)].format(*random.sample(WORDS, 3))
    return asked if number < len(_QUESTIONS) else f"{asked[:-1]} in {1400 + number}?"


def document(number: int, sentences: int) -> str:
    """A document to be ingested; no two are equal."""
    random = Random(f"document {number}")
    return " ".join(sentence(random, random.randint(7, 12)) for _ in range(sentences))
