"""What the emulated model writes: noise in lines, the same for the same prompt."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from ayo_bridge.serving.emulated.settings import Rule, Settings
from ayo_bridge.serving.emulated.tokens import pieces

_VOCABULARY: Final = (
    "able acid arch area atom bank basin beam bird blend board bond brook calm canal cedar chart "
    "chord city clay cliff coast coral craft creek crown curve dawn delta depth dome draft dune "
    "east edge ember engine equal event fern field flame fleet forest frame frost gate glass grain "
    "grove guide harbor hazel heat hill index inlet iron island ivory jade joint keel lake lamp "
    "layer leaf lens level light lime linen maple marsh meadow metal mill mirror moss mount "
    "narrow night noble north oak ocean olive orbit order paper path pearl pine plain planet "
    "point pond quartz quiet rain range reed ridge river rock root salt sand scale shell shore "
    "silver sky slate snow solar south spark spring star steam stone storm summit table tide "
    "timber tower trail valley vault vein water wave west wheat wind winter wood zenith"
)
_WORDS: Final = tuple(_VOCABULARY.split())
_LINE_WORDS: Final = (5, 13)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decoded for one prompt: ``tokens`` steps, of which each brings a piece of the text.

    ``finish`` is the finish reason. Pieces may be empty: what a stop string has cut off.
    """

    pieces: tuple[str, ...]
    finish: str
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says of its answer."""

    most: int
    """Tokens that it may have."""
    least: int = 0
    to_the_end: bool = False
    """``ignore_eos``: exactly as many as it may have."""
    stops: tuple[str, ...] = ()
    keeps_stop: bool = False


def rule_for(settings: Settings, text: str) -> Rule | None:
    """The rule that a prompt falls under."""
    return next((rule for rule in settings.rules if rule.when in text), None)


def answer(settings: Settings, text: str, index: int, wish: Wish) -> Answer:
    """The answer to a prompt; ``index`` counts the answers to one prompt (``n``)."""
    digest = blake2b(f"{index}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    chance = random.Random(int.from_bytes(digest, "big"))
    rule = rule_for(settings, text)
    said: list[str] = []
    if rule is not None and rule.text is not None:
        said = pieces(rule.text)
        natural = len(said)
    elif rule is not None and rule.tokens is not None:
        natural = rule.tokens
    else:
        natural = chance.randint(*settings.output_range)
    wanted = wish.most if wish.to_the_end else min(max(natural, wish.least), wish.most)
    if len(said) < wanted:
        said += _noise(chance, wanted - len(said))
    finish = "stop" if wanted >= natural and not wish.to_the_end else "length"
    return _stopped(said[:wanted], finish, wish)


def _noise(chance: random.Random, count: int) -> list[str]:
    """Lines of words, each a token, with a full stop at their ends."""
    said: list[str] = []
    while len(said) < count:
        first, *others = chance.choices(_WORDS, k=chance.randint(*_LINE_WORDS))
        said += [first.capitalize(), *(f" {word}" for word in others), ".", "\n"]
    return said[:count]


def _stopped(said: Sequence[str], finish: str, wish: Wish) -> Answer:
    """Cut the answer at the first stop string, of several at the same place the longest."""
    text = "".join(said)
    found = [(text.find(stop), stop) for stop in wish.stops if stop and stop in text]
    if not found:
        return Answer(tuple(said), finish)
    at, stop = min(found, key=lambda each: (each[0], -len(each[1])))
    end, kept, done = at + len(stop), [], 0
    shown = end if wish.keeps_stop else at
    for piece in said:
        kept.append(piece[: max(shown - done, 0)])
        done += len(piece)
        if done >= end:
            break
    return Answer(tuple(kept), "stop", stop)


def key_of(prompt: str | Sequence[Hashable]) -> str:
    """A prompt as the text that decides its answer; of token ids their numbers."""
    return prompt if isinstance(prompt, str) else " ".join(map(str, prompt))
